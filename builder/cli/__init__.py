"""The command `boss-builder`: parse the words, call one function, show the answer. No logic lives here."""
