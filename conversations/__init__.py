"""Way 1: a customer's message comes in, the flow answers, nothing is lost."""
