//! The tree of texts that is judged, and where each file stands in its crate.
//!
//! A file that no `mod` names is never compiled: it rots unseen. So the modules are followed from
//! the crate roots, which also gives each file its module path, whatever `#[path]` says.

use std::collections::BTreeMap;
use std::path::Path;

use crate::scan::{self, Scan};

/// Texts by their path from the root of the project.
pub type Tree = BTreeMap<String, String>;

/// A file with what was read from it.
#[derive(Debug)]
pub struct File<'a> {
    pub path: &'a str,
    pub text: &'a str,
    pub scan: Scan,
    /// Module path below the crate root; `None`: no `mod` leads here.
    pub module: Option<Vec<String>>,
    /// Only tests compile it.
    pub test: bool,
}

/// Every Rust file under the folders that hold code.
pub fn read(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders: Vec<_> =
        ["src", "kernel", "tests", "benches"].iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                tree.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    tree
}

/// Reads each file and follows the modules.
pub fn files(tree: &Tree) -> BTreeMap<&str, File<'_>> {
    let mut files: BTreeMap<&str, File<'_>> = tree
        .iter()
        .map(|(path, text)| {
            let scan = scan::scan(text);
            (path.as_str(), File { path, text, scan, module: None, test: false })
        })
        .collect();
    let mut open: Vec<(String, Vec<String>, bool)> = tree
        .keys()
        .filter(|path| is_crate_root(path))
        .map(|path| (path.clone(), Vec::new(), !path.contains("src/")))
        .collect();
    while let Some((path, module, test)) = open.pop() {
        let Some(file) = files.get_mut(path.as_str()) else { continue };
        if file.module.is_some() {
            continue;
        }
        for declared in &file.scan.declared {
            let inner = [&module[..], &declared.inside, std::slice::from_ref(&declared.name)];
            let target = match &declared.at {
                Some(at) => format!("{}/{at}", folder(&path)),
                None => place(tree, &path, &declared.inside, &declared.name),
            };
            open.push((target, inner.concat(), test || declared.test));
        }
        file.module = Some(module);
        file.test = test;
    }
    files
}

/// Where `mod name;` of a file lies.
fn place(tree: &Tree, from: &str, inside: &[String], name: &str) -> String {
    let is_stem = is_crate_root(from) || from.ends_with("/mod.rs");
    let base = if is_stem { folder(from) } else { from.trim_end_matches(".rs") };
    let base = [&[base.to_owned()], inside].concat().join("/");
    let flat = format!("{base}/{name}.rs");
    if tree.contains_key(&flat) { flat } else { format!("{base}/{name}/mod.rs") }
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether cargo compiles a crate from this file.
fn is_crate_root(path: &str) -> bool {
    let inner = path.strip_prefix("kernel/").unwrap_or(path);
    match inner.split('/').collect::<Vec<_>>()[..] {
        ["src", file] => matches!(file, "lib.rs" | "main.rs"),
        ["tests" | "benches", _file] => true,
        ["tests" | "benches", _folder, file] => file == "main.rs",
        _ => false,
    }
}
