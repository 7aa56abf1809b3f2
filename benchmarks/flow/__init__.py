"""What the hub costs beside the calls that it makes."""
