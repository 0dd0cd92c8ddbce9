//! Docker's commands: what was typed, through `client`, to what is shown; talks only to the API.
