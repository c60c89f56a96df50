"""What searches for people share."""

#: Digits of an id of ours, as it can be searched for.
LONGEST_ID = 18
