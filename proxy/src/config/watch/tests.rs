//! Real changes of real files.

use std::fs;
use std::os::unix::fs::symlink;

use tokio::time::timeout;

use super::*;
use crate::config::scratch::Scratch;

/// Far longer than a change takes to be seen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

async fn sees(watcher: &mut Watcher, what: &str, change: impl FnOnce()) {
    change();
    assert!(timeout(PATIENCE, watcher.changed()).await.is_ok(), "{what} went unnoticed");
}

#[tokio::test]
async fn a_named_file_is_followed_through_every_way_of_writing_it() {
    let scratch = Scratch::new();
    let file = scratch.write("a.yaml", "1");
    let mut watcher = Watcher::start(std::slice::from_ref(&file), &[]).unwrap();
    sees(&mut watcher, "writing", || fs::write(&file, "2").unwrap()).await;
    let fresh = scratch.path("a.yaml.new");
    sees(&mut watcher, "renaming over it", || {
        fs::write(&fresh, "3").unwrap();
        fs::rename(&fresh, &file).unwrap();
    })
    .await;
    sees(&mut watcher, "deleting", || fs::remove_file(&file).unwrap()).await;
    sees(&mut watcher, "creating it again", || fs::write(&file, "4").unwrap()).await;
    sees(&mut watcher, "writing what was created again", || fs::write(&file, "5").unwrap()).await;
}

#[tokio::test]
async fn a_directory_reports_new_files_and_its_own_replacement() {
    let scratch = Scratch::new();
    scratch.write("d/a.yaml", "1");
    let directory = scratch.path("d");
    let mut watcher = Watcher::start(std::slice::from_ref(&directory), &[]).unwrap();
    sees(&mut watcher, "a new file", || drop(scratch.write("d/b.yaml", "1"))).await;
    sees(&mut watcher, "removing the directory", || fs::remove_dir_all(&directory).unwrap()).await;
    sees(&mut watcher, "making it again", || fs::create_dir(&directory).unwrap()).await;
    sees(&mut watcher, "a file in the new one", || drop(scratch.write("d/c.yaml", "1"))).await;
}

#[tokio::test]
async fn a_config_map_swap_is_seen_each_time() {
    let scratch = Scratch::new();
    let publish = |version: &str| {
        scratch.write(&format!("..{version}/a.yaml"), version);
        let fresh = scratch.path("..data_tmp");
        symlink(format!("..{version}"), &fresh).unwrap();
        fs::rename(fresh, scratch.path("..data")).unwrap();
    };
    publish("1");
    symlink("..data/a.yaml", scratch.path("a.yaml")).unwrap();
    let paths = [scratch.path(""), scratch.path("a.yaml")];
    for path in paths {
        let mut watcher = Watcher::start(&[path], &[]).unwrap();
        for version in ["2", "3"] {
            sees(&mut watcher, "a swap", || publish(version)).await;
        }
        sees(&mut watcher, "writing behind the link", || fs::write(scratch.path("..3/a.yaml"), "4").unwrap())
            .await;
    }
}

#[tokio::test]
async fn links_among_the_folders_of_a_path_are_followed() {
    let scratch = Scratch::new();
    scratch.write("v1/conf/a.yaml", "1");
    scratch.write("v2/conf/a.yaml", "2");
    symlink("v1", scratch.path("current")).unwrap();
    let mut watcher = Watcher::start(&[scratch.path("current/conf/../conf/a.yaml")], &[]).unwrap();
    let fresh = scratch.path("next");
    symlink("v2", &fresh).unwrap();
    sees(&mut watcher, "a swapped folder", || fs::rename(&fresh, scratch.path("current")).unwrap()).await;
    sees(&mut watcher, "writing in the new folder", || drop(scratch.write("v2/conf/a.yaml", "3"))).await;
}

#[tokio::test]
async fn a_path_that_does_not_exist_yet_is_waited_for() {
    let scratch = Scratch::new();
    let mut watcher = Watcher::start(&[scratch.path("x/y/a.yaml")], &[]).unwrap();
    sees(&mut watcher, "the first folder", || fs::create_dir(scratch.path("x")).unwrap()).await;
    sees(&mut watcher, "the second folder", || fs::create_dir(scratch.path("x/y")).unwrap()).await;
    sees(&mut watcher, "the file", || drop(scratch.write("x/y/a.yaml", "1"))).await;
}

#[test]
fn reading_and_strangers_are_no_changes() {
    let scratch = Scratch::new();
    let file = scratch.write("f/a.yaml", "1");
    scratch.write("d/b.yaml", "1");
    let plan = Plan::of(&[file, scratch.path("d"), PathBuf::from("-")]);
    let cases = [
        ("f/a.yaml", true),
        ("f/b.yaml", false),
        ("f/.a.yaml.swp", false),
        ("d/b.yaml", true),
        ("d/new.yml", true),
        ("d/..data", true),
        ("d/access.log", false),
        ("d", true),
        ("e", false),
    ];
    for (name, expected) in cases {
        assert_eq!(plan.concerns(&[scratch.path(name)]), expected, "{name}");
    }
    let reading = [AccessKind::Open(AccessMode::Any), AccessKind::Close(AccessMode::Read), AccessKind::Read];
    assert!(reading.iter().all(|kind| !is_change(EventKind::Access(*kind))));
    assert!(is_change(EventKind::Access(AccessKind::Close(AccessMode::Write))));
}

#[tokio::test]
async fn a_burst_is_one_change_and_cancelling_loses_none() {
    let scratch = Scratch::new();
    let file = scratch.write("a.yaml", "1");
    let mut watcher = Watcher::start(std::slice::from_ref(&file), &[]).unwrap();
    for round in 0..50 {
        fs::write(&file, round.to_string()).unwrap();
    }
    assert!(timeout(QUIET / 2, watcher.changed()).await.is_err(), "it waits for quiet");
    assert!(timeout(PATIENCE, watcher.changed()).await.is_ok(), "and still knows");
}

#[tokio::test]
async fn certificates_are_followed_wherever_they_are() {
    let scratch = Scratch::new();
    let file = scratch.write("conf/a.yaml", "1");
    let [first, second] = ["certs/tls.crt", "other/tls.crt"].map(|name| scratch.write(name, "1"));
    let mut watcher = Watcher::start(std::slice::from_ref(&file), std::slice::from_ref(&first)).unwrap();
    sees(&mut watcher, "writing the first", || fs::write(&first, "2").unwrap()).await;

    let following = watcher.following();
    sees(&mut watcher, "that there is a second", || following.set(std::slice::from_ref(&second))).await;
    sees(&mut watcher, "writing the second", || fs::write(&second, "2").unwrap()).await;
    following.set(&[second]);
    assert!(timeout(QUIET * 3, watcher.changed()).await.is_err(), "nothing new is no change");
    fs::write(&first, "3").unwrap();
    assert!(timeout(QUIET * 3, watcher.changed()).await.is_err(), "the first is nobody's any more");
}

#[tokio::test]
async fn the_swap_of_a_mounted_secret_is_seen_each_time() {
    let scratch = Scratch::new();
    let publish = |version: &str| {
        scratch.write(&format!("..{version}/tls.key"), version);
        let fresh = scratch.path("..data_tmp");
        symlink(format!("..{version}"), &fresh).unwrap();
        fs::rename(fresh, scratch.path("..data")).unwrap();
    };
    publish("1");
    symlink("..data/tls.key", scratch.path("tls.key")).unwrap();
    let mut watcher = Watcher::start(&[], &[scratch.path("tls.key")]).unwrap();
    for version in ["2", "3"] {
        sees(&mut watcher, "a swap", || publish(version)).await;
    }
}
