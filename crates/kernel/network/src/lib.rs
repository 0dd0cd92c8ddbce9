//! Plans and applies links, addresses, packet rules and name files from plain data; knows no API and keeps no state.
