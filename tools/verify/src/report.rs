//! `target/verify/report.html`: everything on one page that needs nothing else.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use anyhow::Result;

use crate::catalogue::Bug;
use crate::grid::{Grid, Say, described};
use crate::matrix::gaps;
use crate::parts::{self, Outcome, Part, grouped, word};
use crate::results::today;
use crate::{ladder, root};

/// What is known of the rungs, in their order. What ran on other sources counts as not run.
fn known() -> Result<Vec<Part>> {
    let mut parts = parts::read()?;
    let now = parts::sources()?;
    for part in parts.iter_mut().filter(|part| part.sources != now) {
        part.outcome = Outcome::NotRun;
        part.reason = Some(format!("not since the sources changed; its last run was on {}", part.date));
    }
    let mut parts = parts::joined(&parts);
    let order: Vec<_> = ladder::read()?.into_iter().map(|rung| rung.id).collect();
    parts.sort_by_key(|part| order.iter().position(|id| *id == part.rung));
    Ok(parts)
}

/// Says what failed of all that is known; true if nothing did. `whole`: and if nothing of the ladder is missing.
pub fn verdict(whole: bool) -> Result<bool> {
    let parts = known()?;
    let failed = parts.iter().find(|part| part.outcome == Outcome::Failed);
    let lacking = if whole { parts::lacking(&parts, &ladder::read()?) } else { Vec::new() };
    if let Some(part) = failed {
        println!("FAILED: {}: {}", part.title, part.reason.as_deref().unwrap_or("it does not say why"));
    } else if !lacking.is_empty() {
        println!("NOT WHOLE: not run to their ends, or their parts are missing: {}", lacking.join(", "));
    } else if whole {
        println!("GREEN: {} checks, none failed", parts.len());
    }
    for part in &parts {
        println!("{}  {}", parts::line(part), part.date);
    }
    Ok(failed.is_none() && lacking.is_empty())
}

/// Writes the page.
pub fn write() -> Result<()> {
    let parts = known()?;
    let grid = Grid::read()?;
    let file = parts::folder().join("report.html");
    fs::create_dir_all(parts::folder())?;
    fs::write(&file, page(&parts, &grid))?;
    println!("the report: {}", file.display());
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Titles and reasons quote code as Markdown does.
fn prose(text: &str) -> String {
    let mut html = String::new();
    for (number, piece) in escape(text).split('`').enumerate() {
        html += &if number % 2 == 1 { format!("<code>{piece}</code>") } else { piece.to_owned() };
    }
    html
}

fn page(parts: &[Part], grid: &Grid) -> String {
    let mut html = String::from(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>shieldable: what was checked</title>\n",
    );
    let _ = write!(html, "<style>{}</style>\n<main>", include_str!("../report/style.css"));
    let failed = parts.iter().filter(|part| part.outcome == Outcome::Failed).count();
    let missing = parts.iter().filter(|part| part.outcome != Outcome::Green).count() - failed;
    let (class, verdict) = match (parts.is_empty(), failed, missing) {
        (true, ..) => ("none-badge", "the ladder has not run".to_owned()),
        (_, 0, 0) => ("green", format!("{0} of {0} checks green", parts.len())),
        (_, 0, _) => {
            ("interrupted", format!("{} of {} checks green, {missing} not run", parts.len() - missing, parts.len()))
        }
        _ => ("failed", format!("{failed} of {} checks failed", parts.len())),
    };
    let _ = write!(
        html,
        "<h1>shieldable: what was checked</h1><p class=\"soft\">{}</p><p><span class=\"verdict {class}\">{verdict}</span></p>\
         <nav><a href=\"#ladder\">Ladder</a><a href=\"#matrix\">Kill matrix</a><a href=\"#clauses\">Clauses</a>\
         <a href=\"#failures\">Failures</a><a href=\"#limits\">What this cannot show</a></nav>",
        today()
    );
    table_of_rungs(&mut html, parts);
    matrix(&mut html, grid);
    clauses(&mut html, grid);
    failures(&mut html, parts);
    let _ = write!(html, "<h2 id=\"limits\">What this cannot show</h2>{}", include_str!("../report/limits.html"));
    let _ = writeln!(html, "</main><script>{}</script></html>", include_str!("../report/script.js"));
    html
}

fn table_of_rungs(html: &mut String, parts: &[Part]) {
    html.push_str("<h2 id=\"ladder\">The ladder</h2>");
    if parts.is_empty() {
        html.push_str("<p>Nothing has run yet: <code>cargo verify</code>.</p>");
        return;
    }
    html.push_str("<table><tr><th>outcome</th><th>check</th><th>went through</th><th>extent</th><th>seconds</th><th>level</th><th>date</th></tr>");
    for part in parts {
        let class = match part.outcome {
            Outcome::Green => "green",
            Outcome::Failed => "failed",
            Outcome::Interrupted => "interrupted",
            Outcome::NotRun => "none-badge",
        };
        let counts: Vec<_> =
            part.counts.iter().map(|count| format!("{} {}", grouped(count.number), escape(&count.unit))).collect();
        let what = match &part.reason {
            Some(reason) => prose(reason),
            None => counts.join("<br>"),
        };
        let share =
            part.share.as_ref().map(|share| format!("<br><span class=\"soft\">{} machines</span>", escape(share)));
        let _ = write!(
            html,
            "<tr><td><span class=\"badge {class}\">{}</span></td><td>{}</td><td>{what}</td><td>{}</td><td class=\"number\">{:.1}</td><td>{}{}</td><td class=\"date\">{}</td></tr>",
            word(part.outcome),
            prose(&part.title),
            escape(&part.extent),
            part.seconds,
            part.level,
            share.unwrap_or_default(),
            part.date
        );
    }
    html.push_str("</table>");
}

fn matrix(html: &mut String, grid: &Grid) {
    let (nobody, no_systematic) = gaps(&grid.matrix, &grid.results);
    let equivalent = grid.matrix.bugs.iter().filter(|bug| bug.equivalent.is_some()).count();
    let real = grid.matrix.bugs.len() - equivalent;
    let _ = write!(
        html,
        "<h2 id=\"matrix\">The kill matrix</h2><p>{real} seeded bugs, one at a time in the crate's own sources, against each \
         checker: <b>{}</b> are noticed on the present sources, <b>{}</b> by a systematic checker (one that goes through all cases up to a bound). \
         {equivalent} more variants are equivalent to the sources, or beyond every checker. Last run on {}.</p>",
        real - nobody.len(),
        real - nobody.len() - no_systematic.len(),
        grid.date()
    );
    html.push_str("<table><tr><th>checker</th><th>killed</th><th>survived</th><th>not noticed in time</th><th>does not build</th><th>not run</th><th>out of date</th></tr>");
    for column in &grid.matrix.columns {
        let sums = grid.sums(column);
        let mark = if column.systematic { " <span class=\"soft\">(systematic)</span>" } else { "" };
        let _ = write!(html, "<tr><td><b>{}</b> {}{mark}</td>", column.id, escape(&column.title));
        for number in [sums.killed, sums.survived, sums.unfinished, sums.broken, sums.not_run, sums.stale] {
            let _ = write!(html, "<td class=\"number\">{number}</td>");
        }
        html.push_str("</tr>");
    }
    html.push_str("</table><p class=\"legend\">");
    for (class, text) in [
        ("killed", "noticed, after so many executions or tests"),
        ("survived", "survived"),
        ("unfinished", "not noticed in the time of the cell"),
        ("broken", "does not build"),
        ("", "not run"),
        ("blind", "the checker cannot see it: another file, one thread, no memory orderings"),
        ("killed stale", "of an earlier state of sources or checker"),
    ] {
        let _ = write!(html, "<span><i class=\"box {class}\" style=\"display:inline-block\"></i>{text}</span>");
    }
    html.push_str("</p><p><input type=\"search\" id=\"search\" placeholder=\"part of a name, class or clause\"><label><input type=\"checkbox\" id=\"open\"> only bugs that nobody noticed</label></p>");
    html.push_str("<table class=\"grid\"><tr><th class=\"bug\">bug</th><th class=\"title\">what is wrong</th>");
    for column in &grid.matrix.columns {
        let _ =
            write!(html, "<th class=\"column\" title=\"{}\"><span>{}</span></th>", escape(&column.title), column.id);
    }
    html.push_str("</tr>");
    let mut classes: BTreeMap<&str, Vec<&Bug>> = BTreeMap::new();
    for bug in &grid.matrix.bugs {
        let class = if bug.equivalent.is_some() { "~equivalent variants" } else { &bug.class };
        classes.entry(class).or_default().push(bug);
    }
    for (class, bugs) in classes {
        let span = grid.matrix.columns.len() + 2;
        let _ = write!(
            html,
            "<tr class=\"class\"><td colspan=\"{span}\">{}</td></tr>",
            escape(class.trim_start_matches('~'))
        );
        for bug in bugs {
            row(html, grid, bug);
        }
    }
    html.push_str("</table>");
}

fn row(html: &mut String, grid: &Grid, bug: &Bug) {
    let noticed = if grid.killer(bug).is_some() || bug.equivalent.is_some() { "yes" } else { "no" };
    let text = format!("{} {} {} {}", bug.id, bug.class, bug.title, bug.clauses.join(" ")).to_lowercase();
    let class = if bug.equivalent.is_some() { " class=\"equivalent-row\"" } else { "" };
    let title = bug.equivalent.as_ref().map_or_else(|| bug.title.clone(), |why| format!("{} — {why}", bug.title));
    let _ = write!(
        html,
        "<tr{class} data-noticed=\"{noticed}\" data-text=\"{}\"><td class=\"bug\"><code>{}</code></td><td>{}</td>",
        escape(&text),
        bug.id,
        prose(&title)
    );
    for column in &grid.matrix.columns {
        let (say, cell) = grid.cell(bug, column);
        let stale = if grid.is_stale(bug, column) { " stale" } else { "" };
        let number = match (say, cell) {
            (Say::Killed, Some(cell)) => cell.after.map(short).unwrap_or_else(|| "×".to_owned()),
            _ => String::new(),
        };
        let hint = match cell {
            Some(cell) if say == Say::Killed => format!("{}: {}", column.id, described(column, cell)),
            _ => format!("{}: {}", column.id, say.word()),
        };
        let class = if say == Say::NotRun { "" } else { say.word() };
        let _ = write!(
            html,
            "<td class=\"cell\" title=\"{}\"><span class=\"box {class}{stale}\">{number}</span></td>",
            escape(&hint)
        );
    }
    html.push_str("</tr>");
}

/// A number that fits in a box.
fn short(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{}k", number / 1000),
        _ => format!("{}M", number / 1_000_000),
    }
}

/// Clause by clause: who exercised it, as SPEC.md says, and how many of its bugs each checker noticed.
fn clauses(html: &mut String, grid: &Grid) {
    let spec = fs::read_to_string(root().join("SPEC.md")).unwrap_or_default();
    html.push_str("<h2 id=\"clauses\">Clauses of SPEC.md</h2><p>For each clause the seeded bugs that violate it, how many of them each checker noticed, and the checkers that have exercised the clause, as the traceability table of SPEC.md has it. A dash: the checker was not tried with any of them.</p>");
    html.push_str("<table class=\"clauses\"><tr><th>clause</th><th>what it promises</th><th>bugs</th>");
    for column in &grid.matrix.columns {
        let _ = write!(html, "<th>{}</th>", column.id);
    }
    html.push_str("<th>exercised by</th></tr>");
    for line in spec.lines().filter_map(|line| line.strip_prefix("- **")) {
        let Some((clause, rest)) = line.split_once("**") else { continue };
        // Other items of lists begin with bold words, too.
        if clause.contains(' ') || !clause.contains('-') {
            continue;
        }
        let text = rest.trim_start_matches('°').trim();
        let bugs: Vec<_> = grid
            .matrix
            .bugs
            .iter()
            .filter(|bug| bug.equivalent.is_none() && bug.clauses.iter().any(|other| other == clause))
            .collect();
        let _ = write!(
            html,
            "<tr title=\"{}\"><td><b>{clause}</b></td><td class=\"text\">{}</td><td class=\"number\">{}</td>",
            escape(text),
            prose(text),
            bugs.len()
        );
        for column in &grid.matrix.columns {
            let says: Vec<_> = bugs.iter().map(|bug| grid.cell(bug, column).0).collect();
            let tried = says.iter().filter(|say| !matches!(say, Say::NotRun | Say::Blind | Say::Broken)).count();
            let killed = says.iter().filter(|say| **say == Say::Killed).count();
            if let Some(percent) = (killed * 100).checked_div(tried) {
                let _ = write!(
                    html,
                    "<td title=\"{killed} of {tried}\"><span class=\"bar\"><i style=\"width:{percent}%\"></i></span> {killed}</td>"
                );
            } else {
                html.push_str("<td class=\"soft\">–</td>");
            }
        }
        let exercised = spec
            .lines()
            .find_map(|row| row.strip_prefix(&format!("| {clause} |")))
            .and_then(|row| row.split('|').nth(2));
        let _ = write!(html, "<td>{}</td></tr>", escape(exercised.unwrap_or("").trim()));
    }
    html.push_str("</table>");
}

fn failures(html: &mut String, parts: &[Part]) {
    html.push_str("<h2 id=\"failures\">Failures</h2>");
    let failed: Vec<_> = parts.iter().filter(|part| part.outcome == Outcome::Failed).collect();
    if failed.is_empty() {
        html.push_str("<p>None.</p>");
    }
    for part in failed {
        let _ = write!(
            html,
            "<h3>{}</h3><p>{}</p><p class=\"soft\">What it printed from there on; a schedule is drawn with one column a thread, time downwards.</p><pre>{}</pre>",
            prose(&part.title),
            prose(part.reason.as_deref().unwrap_or("")),
            escape(part.output.as_deref().unwrap_or(""))
        );
    }
}
