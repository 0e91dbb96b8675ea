"""Labels as pictures: their pixels, meanings and files."""
