"""Salesforce CPQ (managed package SBQQ) over REST v67.0 and outbound messages."""
