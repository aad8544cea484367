//! How the file's tables are read as those of the catalogue.
//!
//! Statements are put together from the constants of the catalogue and of this module alone.

use store::relocation::{Column, Table};

/// Tables of the file that are not moved as rows, and why.
#[cfg(test)]
pub(super) const LEFT_BEHIND: &[(&str, &str)] = &[
    (
        "installation",
        "its name is told at the end; the marker counts for this file alone",
    ),
    (
        "lead_counts",
        "the target counts for itself, and is compared",
    ),
    ("relocation", "the move itself"),
];

/// Columns that are moved under another name: table, here, there.
#[cfg(test)]
pub(super) const RENAMED: &[(&str, &str, &str)] = &[("import_removals", "removal_id", "sequence")];

/// How a column is read that the file keeps otherwise, or not at all.
///
/// Here an import and a removal are put in order by their ids, there by the tenant's feed. What is
/// moved is all before anything that the feed will tell, so ids become numbers below zero.
fn expression(table: &str, column: &str) -> Option<&'static str> {
    Some(match (table, column) {
        ("number_rests", "tenant_id") => {
            "(SELECT tenant_id FROM lines WHERE lines.line_id = number_rests.line_id)"
        }
        ("pool_numbers", "tenant_id") => {
            "(SELECT tenant_id FROM pools WHERE pools.pool_id = pool_numbers.pool_id)"
        }
        ("due", "tenant_id") => "(SELECT tenant_id FROM leads WHERE leads.lead_id = due.lead_id)",
        ("call_details", "tenant_id") => {
            "(SELECT tenant_id FROM attempts WHERE attempts.attempt_id = call_details.attempt_id)"
        }
        ("import_rows", "tenant_id") => {
            "(SELECT tenant_id FROM imports WHERE imports.import_id = import_rows.import_id)"
        }
        ("import_removals", "tenant_id") => {
            "(SELECT tenant_id FROM campaigns WHERE campaigns.campaign_id = import_removals.campaign_id)"
        }
        ("erasures", "tenant_id") => {
            "(SELECT tenant_id FROM leads WHERE leads.campaign_id = erasures.subject_id LIMIT 1)"
        }
        // Their line may be gone: then they are nobody's, as the target keeps them too.
        ("held_lines", "tenant_id") => {
            "coalesce((SELECT tenant_id FROM lines WHERE lines.line_id = held_lines.line_id), 0)"
        }
        ("strange_calls", "tenant_id") => {
            "coalesce((SELECT tenant_id FROM lines WHERE lines.line_id = strange_calls.line_id), 0)"
        }
        ("imports", "asked_after") => "import_id - 9223372036854775807",
        ("import_removals", "sequence") => "removal_id - 9223372036854775807",
        // Nobody's: no process can ever have this number.
        ("attempts", "node") => "-2",
        ("attempts", "recalled") => "0",
        _ => return None,
    })
}

/// Which rows are moved, where it is not all of them.
fn filter(table: &str) -> &'static str {
    match table {
        // What is deleted in steps is gone for everybody already. Leads that are still there belong to
        // a tenant and are deleted at the target; queued leads belong to nothing any more.
        "erasures" => {
            "kind = 'LEADS' AND EXISTS (SELECT 1 FROM leads WHERE leads.campaign_id = erasures.subject_id)"
        }
        "import_rows" => {
            "EXISTS (SELECT 1 FROM imports WHERE imports.import_id = import_rows.import_id)"
        }
        "import_removals" => {
            "EXISTS (SELECT 1 FROM campaigns WHERE campaigns.campaign_id = import_removals.campaign_id)"
        }
        // A hint without its lead finds nobody.
        "due" => "EXISTS (SELECT 1 FROM leads WHERE leads.lead_id = due.lead_id)",
        // Other keys tell of this file's disk.
        "meta" => "key = 'ping_at'",
        _ => "1",
    }
}

fn selected(table: &Table, column: &Column) -> String {
    expression(table.name, column.name).map_or_else(
        || format!("\"{}\"", column.name),
        |expression| format!("{expression} AS \"{}\"", column.name),
    )
}

/// The rows of a table in the order of its key; with `resumes`, those after a key.
pub(super) fn rows(table: &Table, resumes: bool) -> String {
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| selected(table, column))
        .collect();
    let key: Vec<String> = table.key.iter().map(|name| format!("\"{name}\"")).collect();
    let key = key.join(", ");
    let after = if resumes {
        let places: Vec<String> = (1..=table.key.len()).map(|n| format!("?{n}")).collect();
        format!(" AND ({key}) > ({})", places.join(", "))
    } else {
        String::new()
    };
    format!(
        "SELECT {} FROM \"{}\" WHERE {}{after} ORDER BY {key}",
        columns.join(", "),
        table.name,
        filter(table.name)
    )
}

/// How many rows are moved.
pub(super) fn count(table: &Table) -> String {
    format!(
        "SELECT count(*) FROM \"{}\" WHERE {}",
        table.name,
        filter(table.name)
    )
}
