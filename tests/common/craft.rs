//! Crafted tables.
