"""What exercises try, where it takes many lines; the cases of the other topics stand in their own files."""
