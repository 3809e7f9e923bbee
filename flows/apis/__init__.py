"""What a flow may ask of other people's servers, and the one door through which it is asked."""
