//! Ports: a trait for who implements one, and the same as an object for who holds one of many.

/// Declares a port, and its object-safe twin: whatever implements the port is one of the twin's, and an `Arc` of the twin
/// is a port again. Each call of the twin costs one box.
macro_rules! port {
    (
        $(#[$about:meta])*
        pub trait $port:ident as $object:ident {
            $(
                $(#[$told:meta])*
                fn $call:ident, $boxed:ident($($what:ident: $kind:ty),*) -> $answer:ty;
            )*
        }
    ) => {
        $(#[$about])*
        pub trait $port: Send + Sync {
            $(
                $(#[$told])*
                #[allow(clippy::needless_lifetimes, reason = "needed where there is an argument")]
                fn $call<'a>(&'a self $(, $what: $kind)*) -> impl Future<Output = $answer> + Send;
            )*
        }

        #[doc = concat!("[`", stringify!($port), "`] as an object: all that implement the one implement this, and")]
        #[doc = concat!("`Arc<dyn ", stringify!($object), ">` implements the one. A call costs a box.")]
        pub trait $object: Send + Sync {
            $(
                #[doc = concat!("As [`", stringify!($port), "::", stringify!($call), "`].")]
                #[doc = ""]
                #[doc = "# Errors"]
                #[doc = ""]
                #[doc = "The same."]
                fn $boxed<'a>(
                    &'a self
                    $(, $what: $kind)*
                ) -> std::pin::Pin<Box<dyn Future<Output = $answer> + Send + 'a>>;
            )*
        }

        impl<S: $port> $object for S {
            $(
                fn $boxed<'a>(
                    &'a self
                    $(, $what: $kind)*
                ) -> std::pin::Pin<Box<dyn Future<Output = $answer> + Send + 'a>> {
                    Box::pin($port::$call(self $(, $what)*))
                }
            )*
        }

        impl $port for std::sync::Arc<dyn $object> {
            $(
                #[allow(clippy::needless_lifetimes, reason = "needed where there is an argument")]
                async fn $call<'a>(&'a self $(, $what: $kind)*) -> $answer {
                    $object::$boxed(&**self $(, $what)*).await
                }
            )*
        }

        impl std::fmt::Debug for dyn $object {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($object))
            }
        }
    };
}

pub(crate) use port;
