//! Real servers and their own clients.
