"""What a map's file is: its grid, blocks, overviews, and the headers around them."""
