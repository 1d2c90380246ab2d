//! What other implementations send and expect, byte for byte.

mod old_clients;
