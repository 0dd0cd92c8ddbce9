//! rtnetlink and nf_tables messages: encode, send, decode; knows no network model.
