"""The domain API, one file a resource."""
