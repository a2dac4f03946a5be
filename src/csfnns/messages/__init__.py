"""A message from the payload to a checked file, and back."""
