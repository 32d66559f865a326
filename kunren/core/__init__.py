"""What every other part may use and which itself uses none of them: time, chance, names, errors."""
