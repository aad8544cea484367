use super::*;

#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is of interest")]
struct Sample {
    #[schema(min_length = 1, max_length = 5)]
    name: String,
    #[schema(minimum = 1, maximum = 10)]
    size: Option<i64>,
    #[schema(nullable = false)]
    flag: Option<bool>,
    parts: Option<Vec<Part>>,
    part: Option<Part>,
}

#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is of interest")]
struct Part {
    #[schema(pattern = "^[a-z]+$", example = "abc")]
    text: String,
}

#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[test]
fn a_body_without_any_field_names_the_unknown_ones() {
    let schema = Schemas::default().of::<Nothing>().unwrap();
    let fields = |value: &Value| {
        schema
            .faults(value)
            .into_iter()
            .map(|fault| (fault.field, fault.code))
            .collect::<Vec<_>>()
    };
    assert_eq!(fields(&json!({})), []);
    assert_eq!(
        fields(&json!({"a": {}, "b": 1})),
        [
            ("a".to_owned(), "unknown_field"),
            ("b".to_owned(), "unknown_field")
        ]
    );
    assert_eq!(fields(&json!([])), [(String::new(), "invalid_type")]);
}

fn told(value: &Value) -> Vec<(String, &'static str, String)> {
    let schema = Schemas::default().of::<Sample>().unwrap();
    let mut faults: Vec<_> = schema
        .faults(value)
        .into_iter()
        .map(|fault| (fault.field, fault.code, fault.message))
        .collect();
    faults.sort();
    faults
}

fn codes(value: &Value) -> Vec<(String, &'static str)> {
    told(value)
        .into_iter()
        .map(|(field, code, _)| (field, code))
        .collect()
}

#[test]
fn a_sound_body_has_no_faults() {
    assert_eq!(
        told(&json!({"name": "x", "size": null, "parts": [{"text": "a"}], "part": null})),
        []
    );
}

#[test]
fn every_fault_is_told_with_its_place() {
    let value = json!({
        "size": 11, "flag": null, "nmae": 1,
        "parts": [{"text": "a"}, {"text": "A"}, {"text": 5, "tex": ""}],
        "part": {"text": 7},
    });
    assert_eq!(
        codes(&value),
        [
            ("flag".to_owned(), "not_nullable"),
            ("name".to_owned(), "required"),
            ("nmae".to_owned(), "unknown_field"),
            ("part.text".to_owned(), "invalid_type"),
            ("parts[1].text".to_owned(), "invalid_format"),
            ("parts[2].tex".to_owned(), "unknown_field"),
            ("parts[2].text".to_owned(), "invalid_type"),
            ("size".to_owned(), "out_of_range"),
        ]
    );
}

#[test]
fn messages_say_how_to_mend_it() {
    let messages: Vec<_> = told(&json!({"name": "toolong", "size": "5", "nmae": 1}))
        .into_iter()
        .map(|told| told.2)
        .collect();
    assert_eq!(
        messages,
        [
            "`name` may have at most 5 characters.",
            "There is no field `nmae`; did you mean `name`?",
            "`size` must be an integer.",
        ]
    );
    assert_eq!(
        told(&json!({"name": "a", "size": 0}))[0].2,
        "`size` must be between 1 and 10."
    );
    assert_eq!(told(&json!([]))[0].2, "The body must be an object.");
}

#[test]
fn nul_is_refused_anywhere() {
    assert_eq!(
        codes(&json!({"name": "a\u{0}"})),
        [("name".to_owned(), "invalid_characters")]
    );
}

#[test]
fn a_body_full_of_faults_is_judged_in_bounded_time() {
    let many: Map<String, Value> = (0..100_000)
        .map(|index| (format!("x{index}"), Value::Null))
        .collect();
    let schema = Schemas::default().of::<Sample>().unwrap();
    assert!(schema.faults(&many.into()).len() <= MAX_FAULTS);
    let parts: Vec<_> = (0..200_000).map(Value::from).collect();
    assert!(schema.faults(&json!({ "name": "a", "parts": parts })).len() <= MAX_FAULTS);
}
