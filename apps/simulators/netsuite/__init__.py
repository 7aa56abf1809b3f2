"""NetSuite (OneWorld, SuiteTax) through SuiteTalk REST: records, SuiteQL, async jobs."""
