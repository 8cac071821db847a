//! Models of graven's code that several threads run at once, in every order that the memory model of
//! the language allows. The files of graven are included, not copied; README.md says how, and what
//! the models leave out.

extern crate modelled_std as std;

#[path = "../../../src/build_id.rs"]
mod build_id;
pub mod live;
pub mod read;
pub mod sigbus;
