"""What an account sees of its money: the meter, the usage page and its CSV."""
