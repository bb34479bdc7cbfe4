//! Real files, read again and again.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::config::scratch::Scratch;

const LIMIT: u64 = 1 << 20;

fn names(reading: &Reading) -> Vec<String> {
    reading.files.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

fn count(reading: &Reading) -> usize {
    reading.documents.iter().map(|documents| documents.len()).sum()
}

fn messages(reading: &Reading) -> Vec<String> {
    reading.diagnostics.iter().map(|found| found.message.clone()).collect()
}

#[test]
fn a_directory_gives_its_visible_configuration_files_sorted() {
    let scratch = Scratch::new();
    for name in ["b.yml", "a.yaml", "c.json", "README.md", ".hidden.yaml", "sub/d.yaml"] {
        scratch.write(name, "{a: 1}");
    }
    let reading = Sources::default().read(&[scratch.path("")], LIMIT);
    assert_eq!(names(&reading), ["a.yaml", "b.yml", "c.json"]);
    assert_eq!(messages(&reading), ["is not read: name it as a path of its own to have its files"]);
}

#[test]
fn a_config_map_is_read_once() {
    let scratch = Scratch::new();
    scratch.write("..2026/a.yaml", "{a: 1}");
    symlink("..2026", scratch.path("..data")).unwrap();
    symlink("..data/a.yaml", scratch.path("a.yaml")).unwrap();
    symlink("a.yaml", scratch.path("b.yaml")).unwrap();
    let reading = Sources::default().read(&[scratch.path(""), scratch.path("a.yaml")], LIMIT);
    assert_eq!((names(&reading), messages(&reading).len()), (vec!["a.yaml".to_owned()], 0));
}

#[test]
fn a_broken_file_keeps_its_own_last_good_content() {
    let scratch = Scratch::new();
    let (a, _) = (scratch.write("a.yaml", "a: 1\n---\nb: 1\n"), scratch.write("b.yaml", "a: 1\n"));
    let paths = [scratch.path("")];
    let mut sources = Sources::default();
    assert_eq!(count(&sources.read(&paths, LIMIT)), 3);

    fs::write(&a, "a: 1\n---\nb: [\n").unwrap();
    scratch.write("b.yaml", "a: 1\n---\nb: 1\n---\nc: 1\n");
    let reading = sources.read(&paths, LIMIT);
    assert_eq!(count(&reading), 5, "two kept, and three new ones of the other file");
    let line = reading.diagnostics[0].to_string();
    assert!(line.starts_with(&format!("{}#2: ", a.display())), "{line}");
    assert!(
        line.contains("line 4 column 1") && line.ends_with("; the file's last good content stays"),
        "{line}"
    );

    for broken in [b"\xff\xfe".as_slice(), &vec![b'a'; 5000]] {
        fs::write(&a, broken).unwrap();
        let reading = sources.read(&paths, 4096);
        assert_eq!((count(&reading), reading.diagnostics.len()), (5, 1));
    }
    fs::remove_file(&a).unwrap();
    assert_eq!(count(&sources.read(&paths, LIMIT)), 3, "what is gone from a directory is meant to be gone");
}

#[test]
fn without_a_good_past_the_intact_documents_count() {
    let scratch = Scratch::new();
    let file = scratch.write("a.yaml", "a: 1\n---\nb: [\n---\nc: 1\n");
    let mut sources = Sources::default();
    for _ in 0..2 {
        let reading = sources.read(std::slice::from_ref(&file), LIMIT);
        assert_eq!(count(&reading), 2);
        assert!(messages(&reading)[0].ends_with("; the document is discarded"));
    }
}

#[test]
fn a_named_file_that_vanishes_stays_as_it_was() {
    let scratch = Scratch::new();
    let file = scratch.path("a.yaml");
    let mut sources = Sources::default();
    let reading = sources.read(std::slice::from_ref(&file), LIMIT);
    assert_eq!(messages(&reading), ["No such file or directory (os error 2); the file is discarded"]);
    scratch.write("a.yaml", "a: 1\n");
    assert_eq!(count(&sources.read(std::slice::from_ref(&file), LIMIT)), 1);
    fs::remove_file(&file).unwrap();
    let reading = sources.read(&[file], LIMIT);
    assert_eq!(count(&reading), 1);
    assert_eq!(
        messages(&reading),
        ["No such file or directory (os error 2); the file's last good content stays"]
    );
}

#[test]
fn a_named_directory_that_vanishes_stays_as_it_was() {
    let scratch = Scratch::new();
    scratch.write("d/a.yaml", "a: 1\n");
    let paths = [scratch.path("d")];
    let mut sources = Sources::default();
    sources.read(&paths, LIMIT);
    fs::remove_dir_all(&paths[0]).unwrap();
    let reading = sources.read(&paths, LIMIT);
    assert_eq!((count(&reading), reading.diagnostics.len()), (1, 2));
}

#[test]
fn an_empty_file_is_worth_a_warning() {
    let scratch = Scratch::new();
    let file = scratch.write("a.yaml", "# nothing yet\n");
    assert_eq!(messages(&Sources::default().read(&[file], LIMIT)), ["holds no document"]);
}

#[test]
fn a_file_at_the_limit_is_read_and_one_byte_more_is_not() {
    let scratch = Scratch::new();
    let file = scratch.write("a.yaml", "a: 12\n");
    let mut sources = Sources::default();
    assert_eq!(count(&sources.read(std::slice::from_ref(&file), 6)), 1);
    let reading = Sources::default().read(&[file], 5);
    let expected =
        "is larger than 5 bytes; split it, or raise the setting max-file-size; the file is discarded";
    assert_eq!(messages(&reading), [expected]);
}

#[test]
fn a_pipe_is_read_once_and_remembered() {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"a: 1\n").unwrap();
    drop(writer);
    let paths = [PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()))];
    let mut sources = Sources::default();
    for _ in 0..2 {
        assert_eq!(count(&sources.read(&paths, LIMIT)), 1);
    }
}
