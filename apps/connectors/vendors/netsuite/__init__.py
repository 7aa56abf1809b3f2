"""NetSuite OneWorld with SuiteTax, through SuiteTalk REST."""
