//! Weights that lie in other files beside an ONNX file (ONNX's external data): which files, and whether they are whole.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Component, Path, PathBuf},
};

use super::{
    graph::{DEEPEST, GraphError, all, last, last_number, text},
    schema,
};

/// Where the numbers of a tensor lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The file, as the tensor names it: relative to the network's folder.
    pub(super) location: String,
    pub(super) offset: u64,
    /// `None` for all that follows.
    pub(super) length: Option<u64>,
}

/// Where the numbers of `tensor` lie, if in another file; the error says what is wrong with what it says.
pub(super) fn place(tensor: &[u8]) -> Result<Option<Result<Place, String>>, GraphError> {
    if last_number(tensor, schema::TENSOR_DATA_LOCATION)? != Some(schema::EXTERNAL) {
        return Ok(None);
    }
    let (mut location, mut offset, mut length) = ("", Ok(0), Ok(None));
    for entry in all(tensor, schema::TENSOR_EXTERNAL_DATA)? {
        let value = text(last(entry, schema::ENTRY_VALUE)?)?;
        let number = || value.parse::<u64>().map_err(|_| value.to_owned());
        match text(last(entry, schema::ENTRY_KEY)?)? {
            "location" => location = value,
            "offset" => offset = number(),
            "length" => length = number().map(Some),
            _ => {}
        }
    }
    let name = text(last(tensor, schema::TENSOR_NAME)?)?;
    Ok(Some(match (offset, length) {
        _ if location.is_empty() => Err(format!(
            "its weights {name} lie in another file, which is not named"
        )),
        (Ok(offset), Ok(length)) => Ok(Place {
            location: location.to_owned(),
            offset,
            length,
        }),
        (Err(word), _) | (_, Err(word)) => Err(format!(
            "its weights {name} lie in {location} at a place that is no number ({word})"
        )),
    }))
}

/// Every place outside of `model` that one of its tensors names, in the order in which they stand in the file.
pub(super) fn places(model: &[u8]) -> Result<Vec<Result<Place, String>>, GraphError> {
    let mut found = Vec::new();
    // Protobuf joins what stands twice: all of them count.
    for graph in all(model, schema::MODEL_GRAPH)? {
        of_graph(graph, 0, &mut found)?;
    }
    for function in all(model, schema::MODEL_FUNCTIONS)? {
        of_nodes(&all(function, schema::FUNCTION_NODE)?, 0, &mut found)?;
    }
    Ok(found)
}

type Found = Vec<Result<Place, String>>;

fn of_graph(graph: &[u8], depth: usize, found: &mut Found) -> Result<(), GraphError> {
    if depth > DEEPEST {
        return Err(GraphError::TooDeep);
    }
    for tensor in all(graph, schema::GRAPH_INITIALIZER)? {
        found.extend(place(tensor)?);
    }
    for sparse in all(graph, schema::GRAPH_SPARSE_INITIALIZER)? {
        of_sparse(sparse, found)?;
    }
    of_nodes(&all(graph, schema::GRAPH_NODE)?, depth, found)
}

fn of_sparse(sparse: &[u8], found: &mut Found) -> Result<(), GraphError> {
    for number in [schema::SPARSE_VALUES, schema::SPARSE_INDICES] {
        for tensor in all(sparse, number)? {
            found.extend(place(tensor)?);
        }
    }
    Ok(())
}

fn of_nodes(nodes: &[&[u8]], depth: usize, found: &mut Found) -> Result<(), GraphError> {
    for node in nodes {
        for attribute in all(node, schema::NODE_ATTRIBUTE)? {
            for number in [schema::ATTRIBUTE_T, schema::ATTRIBUTE_TENSORS] {
                for tensor in all(attribute, number)? {
                    found.extend(place(tensor)?);
                }
            }
            for number in [schema::ATTRIBUTE_SPARSE_TENSOR, schema::ATTRIBUTE_SPARSE_TENSORS] {
                for sparse in all(attribute, number)? {
                    of_sparse(sparse, found)?;
                }
            }
            for number in [schema::ATTRIBUTE_G, schema::ATTRIBUTE_GRAPHS] {
                for graph in all(attribute, number)? {
                    of_graph(graph, depth + 1, found)?;
                }
            }
        }
    }
    Ok(())
}

/// The files that `places` name, each once, sorted by name: relative to `folder`, inside it, there, and as long as the
/// tensors want. The error says what is wrong.
pub(super) fn files(folder: &Path, places: Found) -> Result<Vec<PathBuf>, String> {
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    for place in places {
        let Place {
            location,
            offset,
            length,
        } = place?;
        let end = offset
            .checked_add(length.unwrap_or(0))
            .ok_or_else(|| format!("its weights in {location} end beyond any file"))?;
        let most = ends.entry(location).or_default();
        *most = end.max(*most);
    }
    let mut files = Vec::new();
    for (location, end) in ends {
        let file = resolve(folder, &location)?;
        let bytes = fs::metadata(&file)
            .map_err(|error| format!("its weights lie in {location}: {error}"))?
            .len();
        if bytes < end {
            return Err(format!(
                "its weights in {location} end at byte {end}, and the file has {bytes}: it is another file, or cut short"
            ));
        }
        files.push(PathBuf::from(location));
    }
    Ok(files)
}

/// The file that `location` names in `folder`; one outside is refused, wherever links lead.
pub(super) fn resolve(folder: &Path, location: &str) -> Result<PathBuf, String> {
    let outside = || {
        format!(
            "its weights lie in {location}, which is not in the network's own folder; copy them beside the network and name \
             them so in it"
        )
    };
    let is_inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    let relative = Path::new(location);
    if location.contains('\0') || !relative.components().all(is_inside) {
        return Err(outside());
    }
    let real = |path: &Path| {
        path.canonicalize().map_err(|error| {
            format!("its weights lie in {location}: {error}; put that file beside the network, as it was when it was made")
        })
    };
    let (folder, file) = (real(folder)?, real(&folder.join(relative))?);
    if !file.starts_with(&folder) {
        return Err(outside());
    }
    if !file.is_file() {
        return Err(format!(
            "its weights lie in {location}, which is not a regular file"
        ));
    }
    Ok(file)
}

/// The bytes at `place`, if there are no more than `most`.
pub(super) fn read(folder: &Path, place: &Place, most: u64) -> Option<Vec<u8>> {
    let length = place.length.filter(|length| *length <= most)?;
    let mut file = File::open(resolve(folder, &place.location).ok()?).ok()?;
    file.seek(SeekFrom::Start(place.offset)).ok()?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{
        builtin::{constant, node, one_node},
        wire::{put_bytes, put_number},
    };
    use super::*;

    /// A tensor whose numbers lie elsewhere.
    pub(in super::super) fn elsewhere(name: &str, entries: &[(&str, &str)]) -> Vec<u8> {
        let mut tensor = constant(name, &[2], &[]);
        for (key, value) in entries {
            let mut entry = Vec::new();
            put_bytes(&mut entry, schema::ENTRY_KEY, key.as_bytes());
            put_bytes(&mut entry, schema::ENTRY_VALUE, value.as_bytes());
            put_bytes(&mut tensor, schema::TENSOR_EXTERNAL_DATA, &entry);
        }
        put_number(&mut tensor, schema::TENSOR_DATA_LOCATION, schema::EXTERNAL);
        tensor
    }

    fn model(attribute: &[u8], initializer: &[u8]) -> Vec<u8> {
        let node = node("Relu", &["x"], "y", &[attribute.to_vec()]);
        one_node(&node, [1, 3, 8, 8], schema::FLOAT, Some(initializer), None)
    }

    /// An attribute with a graph inside a graph, `depth` of them, the innermost with `tensor` as a constant.
    fn nested(depth: usize, tensor: &[u8]) -> Vec<u8> {
        let mut graph = Vec::new();
        put_bytes(&mut graph, schema::GRAPH_INITIALIZER, tensor);
        let mut attribute = Vec::new();
        for _ in 0..depth {
            attribute = Vec::new();
            put_bytes(&mut attribute, schema::ATTRIBUTE_G, &graph);
            graph = Vec::new();
            put_bytes(
                &mut graph,
                schema::GRAPH_NODE,
                &node("If", &[], "o", &[attribute.clone()]),
            );
        }
        attribute
    }

    #[test]
    fn places_are_found_wherever_tensors_stand() {
        let inside = nested(
            3,
            &elsewhere("deep", &[("location", "b"), ("offset", "8"), ("length", "16")]),
        );
        let found = places(&model(&inside, &elsewhere("w", &[("location", "a")]))).unwrap();
        let place = |location: &str, offset, length| {
            Ok(Place {
                location: location.to_owned(),
                offset,
                length,
            })
        };
        assert_eq!(found, [place("a", 0, None), place("b", 8, Some(16))]);
        assert_eq!(places(&model(&[], &constant("w", &[1], &[0; 4]))).unwrap(), []);
        let deep = nested(DEEPEST + 2, &constant("w", &[1], &[0; 4]));
        assert_eq!(places(&model(&deep, &[])), Err(GraphError::TooDeep));
    }

    #[test]
    fn files_outside_missing_or_short_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("net");
        fs::create_dir(&inner).unwrap();
        fs::write(folder.path().join("secret"), [0; 64]).unwrap();
        fs::write(inner.join("w.data"), [0; 64]).unwrap();
        std::os::unix::fs::symlink("../secret", inner.join("link")).unwrap();
        std::os::unix::fs::symlink("w.data", inner.join("near")).unwrap();
        let check = |entries: &[(&str, &str)]| {
            let model = model(&[], &elsewhere("w", entries));
            files(&inner, places(&model).unwrap())
        };
        assert_eq!(
            check(&[("location", "w.data"), ("length", "64")]),
            Ok(vec!["w.data".into()])
        );
        assert_eq!(check(&[("location", "./near")]), Ok(vec!["./near".into()]));
        for outside in ["../secret", "/etc/passwd", "x/../../secret", "link", "a\0b"] {
            let error = check(&[("location", outside)]).unwrap_err();
            assert!(
                error.contains("own folder") || error.contains("No such"),
                "{outside}: {error}"
            );
        }
        for (entries, words) in [
            (
                &[("location", "w.data"), ("offset", "1"), ("length", "64")][..],
                "end at byte 65, and the file has 64",
            ),
            (
                &[
                    ("location", "w.data"),
                    ("offset", "18446744073709551615"),
                    ("length", "2"),
                ],
                "beyond any file",
            ),
            (&[("location", "w.data"), ("offset", "-1")], "no number (-1)"),
            (&[("location", "none.data")], "none.data: No such file"),
            (&[("location", ".")], "not a regular file"),
            (&[("offset", "1")], "is not named"),
        ] {
            let error = check(entries).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
