"""Way 4: facts become figures, reports and alerts; this app only reads what the others wrote."""
