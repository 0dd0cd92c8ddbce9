//! The verbs of the platform: containers, images, networks, volumes, events, one actor per object; knows no HTTP.
