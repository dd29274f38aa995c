//! The Linchpin guide: one chapter a pattern, Go on the left, Rust on the right.
//!
//! The chapters are the markdown files in `chapters/`; each is included here as documentation, so that `cargo test -p
//! guide` compiles and runs every sample, and `cargo doc -p guide --open` is the book. The names are those of the
//! catalogue, `PATTERNS.md`.

#![forbid(unsafe_code)]

/// One module a chapter, documented by its file.
macro_rules! chapters {
    ($($name:ident $file:literal;)*) => {$(
        #[doc = include_str!(concat!("../chapters/", $file, ".md"))]
        pub mod $name {}
    )*};
}

chapters! {
    u1 "U1-context-keys";
    u2 "U2-large-configurations";
}
