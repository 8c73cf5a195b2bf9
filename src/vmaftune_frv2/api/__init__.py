"""One function per question: opens what is asked about, asks the rooms below, and gives back what they found."""
