//! The public functions of a file that wait, found by reading its source.

use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ImplItemFn, ItemFn, ItemImpl, ItemMod, ItemTrait, Lit, Meta};
use syn::{ReturnType, Signature, TraitItemFn, Type, TypeParamBound, Visibility};

/// What the docs of a wait must have.
pub(crate) const SECTION: &str = "# Cancel safety";

/// A public function that is async or gives a future.
pub(crate) struct Wait {
    /// With the type or trait it belongs to: `Group::join`.
    pub(crate) name: String,
    /// Whether it says what dropping it half-way does.
    pub(crate) documented: bool,
}

/// Those of a file, in their order.
pub(crate) fn waits(text: &str) -> Vec<Wait> {
    let mut reader = Reader::default();
    reader.visit_file(&syn::parse_file(text).expect("Rust"));
    reader.waits
}

#[derive(Default)]
struct Reader {
    owner: Option<String>,
    waits: Vec<Wait>,
}

impl Reader {
    fn judge(&mut self, signature: &Signature, attributes: &[Attribute]) {
        if signature.asyncness.is_none() && !gives_a_future(signature) {
            return;
        }
        let name = match &self.owner {
            Some(owner) => format!("{owner}::{}", signature.ident),
            None => signature.ident.to_string(),
        };
        let documented = attributes.iter().filter_map(doc).any(|line| line.trim() == SECTION);
        self.waits.push(Wait { name, documented });
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if is_public(&item.vis) {
            self.judge(&item.sig, &item.attrs);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if is_public(&item.vis) {
            self.judge(&item.sig, &item.attrs);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        // What implements a trait is documented there.
        if item.trait_.is_none() {
            self.owner = name(&item.self_ty);
            visit::visit_item_impl(self, item);
            self.owner = None;
        }
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        if is_public(&item.vis) {
            self.owner = Some(item.ident.to_string());
            visit::visit_item_trait(self, item);
            self.owner = None;
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        self.judge(&item.sig, &item.attrs);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let is_test = |attribute: &Attribute| {
            attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Path>()
                    .is_ok_and(|condition| condition.is_ident("test"))
        };
        if !item.attrs.iter().any(is_test) {
            visit::visit_item_mod(self, item);
        }
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The line of a doc comment.
fn doc(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attribute.meta else { return None };
    let Expr::Lit(literal) = &meta.value else { return None };
    match &literal.lit {
        Lit::Str(text) if meta.path.is_ident("doc") => Some(text.value()),
        _ => None,
    }
}

fn gives_a_future(signature: &Signature) -> bool {
    let ReturnType::Type(_, output) = &signature.output else { return false };
    let Type::ImplTrait(output) = &**output else { return false };
    output.bounds.iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().is_some_and(|segment| segment.ident == "Future")
        }
        _ => false,
    })
}

/// `Group` of `Group<T>`.
fn name(ty: &Type) -> Option<String> {
    let Type::Path(ty) = ty else { return None };
    Some(ty.path.segments.last()?.ident.to_string())
}
