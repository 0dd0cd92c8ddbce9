//! Docker's command-line grammar and help layout, from tables of flags; knows no command.
