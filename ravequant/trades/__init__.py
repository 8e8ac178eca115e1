"""Raw trade lines to exact minute bars."""
