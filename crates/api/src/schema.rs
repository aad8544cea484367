//! Bodies against the very schemas that the OpenAPI document shows, with every violation told as a
//! fault in our own words.

#[cfg(test)]
mod tests;

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError, RwLock};

use domain::fault::Fault;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::code;
use crate::faults::suggestion;

/// Most faults collected from one body.
const MAX_FAULTS: usize = 1_000;
/// For how many unknown names of one object the nearest known one is looked for.
const MAX_SUGGESTIONS: usize = 20;

/// Schemas of bodies, compiled when first used.
#[derive(Default)]
pub(crate) struct Schemas(RwLock<HashMap<TypeId, Arc<BodySchema>>>);

impl Schemas {
    /// The schema of `T`, or why it cannot be compiled (a mistake in our own types).
    pub(crate) fn of<T: ToSchema + 'static>(&self) -> Result<Arc<BodySchema>, String> {
        let key = TypeId::of::<T>();
        let known = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        if let Some(schema) = known {
            return Ok(schema);
        }
        let schema = Arc::new(BodySchema::compile::<T>()?);
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(all.entry(key).or_insert(schema)))
    }
}

/// A compiled schema.
pub(crate) struct BodySchema {
    document: Value,
    validator: Validator,
}

impl BodySchema {
    fn compile<T: ToSchema>() -> Result<Self, String> {
        let mut components = Vec::new();
        T::schemas(&mut components);
        let components: Map<String, Value> = components
            .into_iter()
            .map(|(name, schema)| Ok((name, serde_json::to_value(schema)?)))
            .collect::<Result<_, serde_json::Error>>()
            .map_err(|error| error.to_string())?;
        let mut document = serde_json::to_value(T::schema()).map_err(|error| error.to_string())?;
        if let Some(root) = document.as_object_mut() {
            root.insert("components".to_owned(), json!({ "schemas": components }));
        }
        let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012);
        let validator = options
            .build(&document)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            document,
            validator,
        })
    }

    /// Every violation of `value`.
    pub(crate) fn faults(&self, value: &Value) -> Vec<Fault> {
        let mut faults = Vec::new();
        // Nearly all bodies are sound, and being told so costs no collecting.
        if self.validator.is_valid(value) {
            control_characters(value, &mut String::new(), &mut faults);
            return faults;
        }
        for error in self.validator.iter_errors(value) {
            self.tell(value, &error, &mut faults);
            if faults.len() >= MAX_FAULTS {
                break;
            }
        }
        faults.truncate(MAX_FAULTS);
        one_word_each(&mut faults);
        control_characters(value, &mut String::new(), &mut faults);
        faults
    }

    fn tell(&self, body: &Value, error: &ValidationError<'_>, faults: &mut Vec<Fault>) {
        use ValidationErrorKind as Kind;
        let place = error.instance_path();
        let field = field_name(place);
        let mut add = |code, message: String| faults.push(Fault::new(field.clone(), code, message));
        match error.kind() {
            Kind::AdditionalProperties { unexpected } => self.unknown(place, unexpected, faults),
            // An object that may have no field at all.
            Kind::FalseSchema if body.pointer(place.as_str()).is_some_and(Value::is_object) => {
                let fields = body.pointer(place.as_str()).and_then(Value::as_object);
                let names: Vec<_> = fields.into_iter().flat_map(Map::keys).cloned().collect();
                self.unknown(place, &names, faults);
            }
            Kind::Required { property } => {
                let name = join(&field, property.as_str().unwrap_or_default());
                let message = format!("`{name}` is required.");
                faults.push(Fault::new(name, code::REQUIRED, message));
            }
            Kind::Type { kind } => {
                let (code, message) = wrong_type(&field, kind, error.instance());
                add(code, message);
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                self.tell_nearest(body, error, context, faults);
            }
            Kind::Enum { options } => add(code::INVALID_CHOICE, choices(&field, options)),
            Kind::Minimum { .. }
            | Kind::Maximum { .. }
            | Kind::ExclusiveMinimum { .. }
            | Kind::ExclusiveMaximum { .. } => {
                add(code::OUT_OF_RANGE, self.range(&field, place));
            }
            Kind::MaxLength { limit } => {
                add(
                    code::TOO_LONG,
                    format!("{} may have at most {limit} characters.", quoted(&field)),
                );
            }
            Kind::MinLength { limit: 1 } => add(
                code::EMPTY,
                format!("{} must not be empty.", quoted(&field)),
            ),
            Kind::MinLength { limit } => {
                add(
                    code::TOO_SHORT,
                    format!("{} must have at least {limit} characters.", quoted(&field)),
                );
            }
            Kind::MinItems { limit } | Kind::MinProperties { limit } => {
                add(
                    code::EMPTY,
                    format!("{} must have at least {limit} entry.", quoted(&field)),
                );
            }
            Kind::MaxItems { limit } | Kind::MaxProperties { limit } => {
                add(
                    code::TOO_MANY,
                    format!("{} may have at most {limit} entries.", quoted(&field)),
                );
            }
            Kind::UniqueItems => add(
                code::DUPLICATE,
                format!("{} must not repeat an entry.", quoted(&field)),
            ),
            Kind::Pattern { .. } | Kind::Format { .. } | Kind::PropertyNames { .. } => {
                add(code::INVALID_FORMAT, self.form(&field, place));
            }
            _ => add(
                code::INVALID_VALUE,
                format!("{} is not what is expected here.", quoted(&field)),
            ),
        }
    }

    fn unknown(&self, place: &Location, names: &[String], faults: &mut Vec<Fault>) {
        let known = self
            .at(place)
            .and_then(|schema| schema.get("properties")?.as_object());
        let field = field_name(place);
        for (index, name) in names.iter().take(MAX_FAULTS).enumerate() {
            // Many unknown names must not each cost a comparison with all known ones.
            let known = known.filter(|_| index < MAX_SUGGESTIONS);
            let known = known.into_iter().flat_map(Map::keys);
            let hint = suggestion(name, known.map(String::as_str));
            let name = join(&field, name);
            let message = format!("There is no field `{}`{hint}", shortened(&name));
            faults.push(Fault::new(name, code::UNKNOWN_FIELD, message));
        }
    }

    /// Of several allowed forms, tells what is wrong with the one that is meant: the one that
    /// goes wrong deepest, and never "null" for something that is not null.
    fn tell_nearest(
        &self,
        body: &Value,
        error: &ValidationError<'_>,
        branches: &[Vec<ValidationError<'static>>],
        faults: &mut Vec<Fault>,
    ) {
        let depth = |branch: &[ValidationError<'static>]| {
            branch
                .iter()
                .map(|error| error.instance_path().iter().len())
                .max()
                .unwrap_or(0)
        };
        let wants_null = |branch: &[ValidationError<'static>]| {
            let only_null = |error: &ValidationError<'static>| match error.kind() {
                ValidationErrorKind::Type { kind } => type_names(kind) == ["null"],
                _ => false,
            };
            branch.iter().any(only_null)
        };
        let meant = branches
            .iter()
            .filter(|branch| !wants_null(branch))
            .max_by_key(|branch| depth(branch));
        if let Some(branch) = meant {
            for error in branch {
                self.tell(body, error, faults);
            }
        } else {
            let field = field_name(error.instance_path());
            let message = format!("{} is not what is expected here.", quoted(&field));
            faults.push(Fault::new(field, code::INVALID_VALUE, message));
        }
    }

    fn range(&self, field: &str, place: &Location) -> String {
        let bound = |name: &str| self.at(place).and_then(|schema| schema.get(name));
        match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) => {
                format!("{} must be between {least} and {most}.", quoted(field))
            }
            (Some(least), None) => format!("{} must be at least {least}.", quoted(field)),
            (None, Some(most)) => format!("{} must be at most {most}.", quoted(field)),
            (None, None) => format!("{} is out of range.", quoted(field)),
        }
    }

    fn form(&self, field: &str, place: &Location) -> String {
        let schema = self.at(place);
        let example = schema.and_then(|schema| {
            schema
                .get("example")
                .or_else(|| schema.get("examples")?.as_array()?.first())
        });
        match example {
            Some(example) => format!("{} must have the form of {example}.", quoted(field)),
            None => format!("{} does not have the form it must have.", quoted(field)),
        }
    }

    /// The schema of what is at `place`.
    fn at(&self, place: &Location) -> Option<&Value> {
        place
            .iter()
            .try_fold(self.resolve(&self.document), |schema, segment| {
                let below = match segment {
                    LocationSegment::Property(name) => {
                        let known = schema.get("properties").and_then(|all| all.get(&*name));
                        known.or_else(|| schema.get("additionalProperties"))
                    }
                    LocationSegment::Index(_) => schema.get("items"),
                };
                below.map(|schema| self.resolve(schema))
            })
    }

    /// Follows a reference, and the one form of "this or null" that is not null.
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let target = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| self.document.pointer(reference.strip_prefix('#')?));
        if let Some(target) = target {
            return self.resolve(target);
        }
        let forms = schema
            .get("oneOf")
            .or_else(|| schema.get("anyOf"))
            .and_then(Value::as_array);
        let mut forms = forms.into_iter().flatten();
        match forms.find(|form| form.get("type").and_then(Value::as_str) != Some("null")) {
            Some(form) => self.resolve(form),
            None => schema,
        }
    }
}

/// A value of the wrong type breaks other rules too, which nobody needs to hear.
fn one_word_each(faults: &mut Vec<Fault>) {
    let is_type = |fault: &Fault| matches!(fault.code, code::INVALID_TYPE | code::NOT_NULLABLE);
    let mistyped: Vec<String> = faults
        .iter()
        .filter(|fault| is_type(fault))
        .map(|fault| fault.field.clone())
        .collect();
    faults.retain(|fault| is_type(fault) || !mistyped.contains(&fault.field));
}

fn wrong_type(field: &str, kind: &TypeKind, found: &Value) -> (&'static str, String) {
    let expected: Vec<_> = type_names(kind)
        .into_iter()
        .filter(|name| *name != "null")
        .collect();
    let expected = expected.join(" or ");
    let article = if expected.starts_with(['a', 'i', 'o']) {
        "an"
    } else {
        "a"
    };
    if found.is_null() {
        let message = format!(
            "{} cannot be null; it must be {article} {expected}.",
            quoted(field)
        );
        return (code::NOT_NULLABLE, message);
    }
    (
        code::INVALID_TYPE,
        format!("{} must be {article} {expected}.", quoted(field)),
    )
}

fn type_names(kind: &TypeKind) -> Vec<&'static str> {
    match kind {
        TypeKind::Single(one) => vec![one.as_str()],
        TypeKind::Multiple(set) => set.iter().map(jsonschema::JsonType::as_str).collect(),
    }
}

fn choices(field: &str, options: &Value) -> String {
    let options = options
        .as_array()
        .into_iter()
        .flatten()
        .filter(|option| !option.is_null());
    let options: Vec<_> = options
        .map(|option| {
            option
                .as_str()
                .map_or_else(|| option.to_string(), str::to_owned)
        })
        .collect();
    format!("{} must be one of {}.", quoted(field), options.join(", "))
}

/// A pointer in the form of [`Fault::field`].
fn field_name(place: &Location) -> String {
    let mut field = String::new();
    for segment in place {
        match segment {
            LocationSegment::Property(name) => field = join(&field, &name),
            LocationSegment::Index(index) => field = format!("{field}[{index}]"),
        }
    }
    field
}

fn join(field: &str, name: &str) -> String {
    if field.is_empty() {
        name.to_owned()
    } else {
        format!("{field}.{name}")
    }
}

fn quoted(field: &str) -> String {
    if field.is_empty() {
        "The body".to_owned()
    } else {
        format!("`{}`", shortened(field))
    }
}

fn shortened(field: &str) -> String {
    field.chars().take(100).collect()
}

/// NUL cannot be stored by every back end and is never meant.
fn control_characters(value: &Value, field: &mut String, faults: &mut Vec<Fault>) {
    if faults.len() >= MAX_FAULTS {
        return;
    }
    let length = field.len();
    match value {
        Value::String(text) if text.contains('\0') => {
            let message = format!("{} must not contain the character U+0000.", quoted(field));
            faults.push(Fault::new(field.clone(), code::INVALID_CHARACTERS, message));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let _ = write!(field, "[{index}]");
                control_characters(item, field, faults);
                field.truncate(length);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                if length > 0 {
                    field.push('.');
                }
                field.push_str(key);
                if key.contains('\0') {
                    let message = "A key must not contain the character U+0000.";
                    faults.push(Fault::new(field.clone(), code::INVALID_CHARACTERS, message));
                } else {
                    // Under such a key nothing can be named, and mending the key comes first.
                    control_characters(item, field, faults);
                }
                field.truncate(length);
            }
        }
        _ => {}
    }
}
