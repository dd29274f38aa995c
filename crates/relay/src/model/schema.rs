//! The description of flattened parts.

use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{Object, RefOr, Schema};

/// One object of several, as serde's `flatten` makes one of them on the wire. It is what a reply shows: a member that is
/// never null is always there.
pub(super) fn flattened(
    description: &str,
    parts: impl IntoIterator<Item = RefOr<Schema>>,
) -> RefOr<Schema> {
    let mut whole = Object::new();
    whole.description = Some(description.to_owned());
    for part in parts {
        let RefOr::T(Schema::Object(part)) = part else { continue };
        let given = part.properties.iter().filter(|(_, schema)| !is_nullable(schema));
        let defaulted = given.map(|(name, _)| name).filter(|name| !part.required.contains(name));
        let required: Vec<String> = part.required.iter().chain(defaulted).cloned().collect();
        whole.required.extend(required);
        whole.properties.extend(part.properties);
    }
    RefOr::T(whole.into())
}

fn is_nullable(schema: &RefOr<Schema>) -> bool {
    let kind = match schema {
        RefOr::T(Schema::Object(object)) => &object.schema_type,
        RefOr::T(Schema::Array(list)) => &list.schema_type,
        _ => return false,
    };
    matches!(kind, SchemaType::Array(types) if types.contains(&Type::Null))
}
