"""What one more transaction costs when few and when many are stored."""
