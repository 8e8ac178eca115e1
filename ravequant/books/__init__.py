"""Raw book lines to exact price levels."""
