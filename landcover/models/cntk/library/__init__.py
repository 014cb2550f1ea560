"""Microsoft's own CNTK 2.7: installed, loaded and asked through its C interface."""
