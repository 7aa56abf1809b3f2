"""What the pages show: reads narrowed to the principal, shaped for the templates. No writes."""
