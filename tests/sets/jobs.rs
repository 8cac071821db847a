//! Sets whose shards are built by several processes: tasks that run twice, too late or not at all,
//! processes that are killed, shards that do not fit together.

use super::super::{common, numbered, open};
use graven::{
    BuildError, BuildOptions, Duplicates, PublishError, PublishOptions, SetError, SetJob,
    SetJobOptions, ShardInfo, TableSet, Versions,
};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn tables() -> BuildOptions {
    BuildOptions::new().durable(false).duplicates(Duplicates::KeepAll)
}

fn options() -> SetJobOptions {
    SetJobOptions::new().publish(PublishOptions::new().durable(false))
}

type Entries = [(Vec<u8>, Vec<u8>)];

fn range(job: &SetJob, entries: &Entries) -> ShardInfo {
    let mut shard = job.range_shard(&tables()).unwrap();
    for (key, value) in entries {
        shard.insert(key, value).unwrap();
    }
    assert_eq!(shard.entries(), entries.len() as u64);
    through_text(&shard.finish().unwrap())
}

/// All hash shards of these entries.
fn hashed(job: &SetJob, of: usize, entries: &Entries) -> Vec<ShardInfo> {
    let mut shards: Vec<_> = (0..of).map(|at| job.hash_shard(at, &tables()).unwrap()).collect();
    for (key, value) in entries {
        let inserted: Vec<bool> =
            shards.iter_mut().map(|shard| shard.insert(key, value).is_ok()).collect();
        assert_eq!(inserted.iter().filter(|&&inserted| inserted).count(), 1);
    }
    shards.into_iter().map(|shard| through_text(&shard.finish().unwrap())).collect()
}

/// What arrives in the process that commits.
fn through_text(info: &ShardInfo) -> ShardInfo {
    let text = serde_json::to_string(info).unwrap();
    let arrived = serde_json::from_str(&text).unwrap();
    assert_eq!(*info, arrived);
    arrived
}

/// The message of a commit that is refused since its shards make no set.
fn refused(job: &SetJob, infos: &[ShardInfo]) -> String {
    match job.commit(infos.to_vec()).unwrap_err() {
        PublishError::Set(error @ SetError::Job { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn names(path: impl AsRef<Path>) -> Vec<OsString> {
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

fn entries(set: &TableSet) -> Vec<(Vec<u8>, Vec<u8>)> {
    let entry = |(key, value): (graven::Value, graven::Value)| (key.to_vec(), value.to_vec());
    set.iter().map(|item| entry(item.unwrap())).collect()
}

#[test]
fn a_commit_takes_exactly_the_shards_that_it_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let all = numbered(90);
    let job = options().begin(dir.path()).unwrap();
    let joined = options().join(dir.path(), job.id()).unwrap();
    // A task that was lost after its work, one that runs twice, and one that never ends.
    let lost = range(&joined, &all[..45]);
    let twice = [range(&joined, &all[30..60]), range(&job, &all[30..60])];
    assert_eq!(twice[0].shard.sha256, twice[1].shard.sha256);
    let mut late = job.range_shard(&tables()).unwrap();
    late.insert("0", "never").unwrap();
    let infos =
        [range(&job, &all[60..]), twice[1].clone(), range(&job, &[]), range(&joined, &all[..30])];
    let version = job.commit(infos.clone()).unwrap();
    assert!(version.current);
    let set = open(dir.path());
    assert_eq!(entries(&set), all);
    set.verify().unwrap();
    // Not a byte of the others is left.
    let shards = ["part-00000.grv", "part-00001.grv", "part-00002.grv"];
    assert_eq!(names(&version.path), [&["MANIFEST.json"][..], &shards].concat());
    assert_eq!(names(dir.path().join("staging")), [""; 0]);
    assert_eq!(set.manifest().shards[1].sha256, twice[0].shard.sha256);
    // Who comes too late gets an error, and the version stays as it is.
    for error in [
        late.finish().map(drop).unwrap_err(),
        joined.range_shard(&tables()).map(drop).unwrap_err(),
        joined.commit([lost]).map(drop).unwrap_err(),
        joined.commit(infos).map(drop).unwrap_err(),
    ] {
        assert!(error.to_string().contains("the job is over"), "{error}");
    }
    let error = options().join(dir.path(), job.id()).unwrap_err();
    assert!(error.to_string().contains("there is no such job"), "{error}");
    drop((job, joined));
    assert_eq!(names(&version.path).len(), 4);
    assert_eq!(entries(&open(dir.path())), all);
}

#[test]
fn hash_shards_are_complete_and_right() {
    let dir = tempfile::tempdir().unwrap();
    let (few, all) = (numbered(2), numbered(200));
    let job = options().hash_shards(5).begin(dir.path()).unwrap();
    // Empty shards are shards.
    job.commit(hashed(&job, 5, &few)).unwrap();
    assert_eq!(entries(&open(dir.path())), few);
    let job = options().hash_shards(5).begin(dir.path()).unwrap();
    let mut infos = hashed(&job, 5, &all);
    infos.swap(0, 3);
    let missing = refused(&job, &infos[1..]);
    assert!(missing.contains("1 hash shard of 5 missing, number 3 is one"), "{missing}");
    assert!(refused(&job, &[]).contains("5 hash shards of 5 missing, number 0"));
    let twice = [infos.clone(), hashed(&job, 5, &all)[4..].to_vec()].concat();
    assert!(refused(&job, &twice).contains("are the same hash shard"));
    let mut other = infos.clone();
    other[2].hash_shard = Some((2, 6));
    assert!(refused(&job, &other).contains("is none of the job's 5 hash shards"));
    other[2].hash_shard = Some((5, 5));
    assert!(refused(&job, &other).contains("is none of the job's 5 hash shards"));
    other[2].hash_shard = None;
    assert!(refused(&job, &other).contains("is none of the job's 5 hash shards"));
    other = infos.clone();
    (other[0].hash_shard, other[3].hash_shard) = (other[3].hash_shard, other[0].hash_shard);
    assert!(refused(&job, &other).contains("has a key that belongs to another hash shard"));
    let foreign = job.hash_shard(5, &tables()).unwrap_err().to_string();
    assert!(foreign.contains("there is no hash shard 5: the job has 5, from 0 on"), "{foreign}");
    assert!(job.range_shard(&tables()).unwrap_err().to_string().contains("has hash shards"));
    // Nothing was lost by all these.
    assert_eq!(entries(&open(dir.path())), few);
    job.commit(infos).unwrap();
    let set = open(dir.path());
    assert_eq!(entries(&set), all);
    set.verify().unwrap();
    for shards in [0, 1_000_001] {
        let error = options().hash_shards(shards).begin(dir.path()).unwrap_err();
        assert!(matches!(error, PublishError::Target(BuildError::InvalidOption { .. })), "{error}");
    }
}

#[test]
fn a_key_goes_only_into_its_hash_shard() {
    let dir = tempfile::tempdir().unwrap();
    let job = options().hash_shards(1000).begin(dir.path()).unwrap();
    // A vector of docs/sets.md.
    job.hash_shard(95, &tables()).unwrap().insert("Spark", "").unwrap();
    let error = job.hash_shard(94, &tables()).unwrap().insert("Spark", "").unwrap_err();
    let text = "key \"Spark\" belongs to hash shard 95 of 1000 and came to shard 94: divide the \
                entries by pmod(xxhash64(key), 1000), the key as binary or string";
    assert_eq!(error.to_string(), text);
}

#[test]
fn range_shards_do_not_overlap() {
    let dir = tempfile::tempdir().unwrap();
    let all = numbered(20);
    let job = options().begin(dir.path()).unwrap();
    let (low, high) = (range(&job, &all[..10]), range(&job, &all[10..]));
    // One key in two shards, a shard twice, a shard inside of another.
    let (border, inner) = (range(&job, &all[9..]), range(&job, &all[3..5]));
    let message = refused(&job, &[border.clone(), low.clone()]);
    let expected = format!(
        "range shards overlap: {} has keys up to \"00000009\", {} from \"00000009\" on",
        low.shard.file, border.shard.file
    );
    assert!(message.contains(&expected), "{message}");
    for infos in [[&low, &low], [&low, &inner], [&inner, &low]] {
        assert!(refused(&job, &infos.map(Clone::clone)).contains("overlap"));
    }
    let mut hash = low.clone();
    hash.hash_shard = Some((0, 1));
    assert!(refused(&job, &[hash]).contains("is a hash shard, and the job has range shards"));
    assert!(job.hash_shard(0, &tables()).unwrap_err().to_string().contains("have no numbers"));
    job.commit([high, low]).unwrap();
    assert_eq!(entries(&open(dir.path())), all);
}

#[test]
fn what_is_said_of_shards_is_compared_with_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let all = numbered(20);
    let job = options().begin(dir.path()).unwrap();
    let (good, other) = (range(&job, &all), range(&job, &all[1..]));
    let wrong = |change: fn(&mut ShardInfo)| {
        let mut info = good.clone();
        change(&mut info);
        refused(&job, &[info])
    };
    assert!(wrong(|info| info.shard.entries = 19).contains("20 entries, 19 in its description"));
    assert!(wrong(|info| info.shard.bytes += 1).contains("in its description"));
    assert!(wrong(|info| info.shard.build_id = [7; 16].into()).contains("has build id"));
    assert!(wrong(|info| info.shard.file = "../x".into()).contains("\"../x\" is no name"));
    assert!(wrong(|info| info.shard.file = "".into()).contains("\"\" is no name"));
    assert!(wrong(|info| info.shard.entries = 0).contains("contradict each other"));
    assert!(wrong(|info| info.shard.last_key = None).contains("contradict each other"));
    assert!(wrong(|info| info.shard.first_key = Some(b"1".to_vec())).contains("contradict"));
    let mut exchanged = good.clone();
    exchanged.shard.file = other.shard.file.clone();
    assert!(refused(&job, &[exchanged]).contains("in its description"));
    // A file that is gone, or is no table.
    let path = job.path().join(&other.shard.file);
    fs::remove_file(&path).unwrap();
    let error = job.commit([other.clone()]).unwrap_err();
    assert!(matches!(&error, PublishError::Source { path: at, .. } if *at == path), "{error}");
    fs::write(&path, "no table").unwrap();
    let error = job.commit([other]).unwrap_err();
    assert!(matches!(&error, PublishError::Source { path: at, .. } if *at == path), "{error}");
    // Only the digest finds other bytes in the middle.
    let path = job.path().join(&good.shard.file);
    let mut bytes = fs::read(&path).unwrap();
    bytes[500] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let checking = options().publish(PublishOptions::new().verify_after_write(true));
    let checking = checking.join(dir.path(), job.id()).unwrap();
    let error = checking.commit([good]).unwrap_err();
    assert!(matches!(&error, PublishError::Set(SetError::Shard { .. })), "{error}");
    assert!(Versions::new(dir.path()).list().unwrap().is_empty());
}

/// Shards of jobs in several directories make the manifest that one job would make of them.
#[test]
fn shards_that_are_kept_elsewhere() {
    let directory = common::directory();
    let all = numbered(90);
    let one = options().begin(directory.path().join("one")).unwrap();
    let infos: Vec<_> = all.chunks(30).map(|part| range(&one, part)).collect();
    one.commit(infos).unwrap();
    let expected = open(&directory.path().join("one"));
    let elsewhere: Vec<_> = all
        .chunks(30)
        .enumerate()
        .rev()
        .map(|(at, part)| {
            range(&options().begin(directory.path().join(at.to_string())).unwrap(), part)
        })
        .collect();
    let plan = options().plan(elsewhere.clone(), "s3://bucket/set").unwrap();
    let files: Vec<_> = elsewhere.iter().rev().map(|info| info.shard.file.clone()).collect();
    assert_eq!((&plan.manifest, plan.files), (expected.manifest(), files));
    let text = fs::read(expected.path().join("MANIFEST.json")).unwrap();
    assert_eq!(plan.manifest.to_json(), text);

    let refused = |infos: Vec<ShardInfo>, options: SetJobOptions| {
        options.plan(infos, "s3://bucket/set").unwrap_err().to_string()
    };
    let twice = [elsewhere.clone(), elsewhere[..1].to_vec()].concat();
    let overlap = refused(twice, options());
    assert!(overlap.contains("s3://bucket/set") && overlap.contains("overlap"), "{overlap}");
    let missing = refused(Vec::new(), options().hash_shards(2));
    assert!(missing.contains("2 hash shards of 2 missing"), "{missing}");
    let none = refused(Vec::new(), options());
    assert!(none.contains("s3://bucket/set/MANIFEST.json"), "{none}");
}

#[test]
fn a_job_without_entries_makes_an_empty_set() {
    let dir = tempfile::tempdir().unwrap();
    let job = options().begin(dir.path()).unwrap();
    job.commit([]).unwrap();
    assert_eq!((open(dir.path()).len(), open(dir.path()).manifest().shards.len()), (0, 1));
    let job = options().begin(dir.path()).unwrap();
    job.commit([range(&job, &[]), range(&job, &[])]).unwrap();
    let set = open(dir.path());
    assert_eq!((set.len(), set.manifest().shards.len()), (0, 1));
    set.verify().unwrap();
}

#[test]
fn a_job_that_a_guard_refused_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let all = numbered(20);
    let guarded = options().publish(PublishOptions::new().durable(false).min_entries(20));
    let job = guarded.begin(dir.path()).unwrap();
    let (low, high) = (range(&job, &all[..10]), range(&job, &all[10..]));
    let error = job.commit([low.clone()]).unwrap_err();
    assert!(matches!(error, PublishError::TooFewEntries { entries: 10, .. }), "{error}");
    job.commit([low, high]).unwrap();
    assert_eq!(entries(&open(dir.path())), all);
    // What was current before can be gone back to.
    let shrinking = options().publish(PublishOptions::new().durable(false).max_shrink(0.1));
    let job = shrinking.begin(dir.path()).unwrap();
    let error = job.commit([range(&job, &all[..10])]).unwrap_err();
    assert!(matches!(error, PublishError::Shrunk { .. }), "{error}");
    let job = options().begin(dir.path()).unwrap();
    job.commit([range(&job, &all[..10])]).unwrap();
    assert_eq!(open(dir.path()).len(), 10);
    Versions::new(dir.path()).roll_back(None).unwrap();
    assert_eq!(entries(&open(dir.path())), all);
}

#[test]
fn jobs_that_end_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let staging = dir.path().join("staging");
    let job = options().begin(dir.path()).unwrap();
    let joined = options().join(dir.path(), job.id()).unwrap();
    range(&job, &numbered(3));
    let late = joined.range_shard(&tables()).unwrap();
    // Dropping a job that was only joined does not end it.
    drop(joined);
    assert_eq!(names(&staging).len(), 1);
    job.abort().unwrap();
    assert_eq!(names(&staging).len(), 0);
    let error = late.finish().unwrap_err();
    assert!(error.to_string().contains("the job is over"), "{error}");
    let job = options().begin(dir.path()).unwrap();
    range(&job, &numbered(3));
    drop(job);
    assert_eq!(names(&staging).len(), 0);
    assert!(Versions::new(dir.path()).list().unwrap().is_empty());
}

#[test]
fn a_detached_job_goes_on_in_other_processes() {
    let dir = tempfile::tempdir().unwrap();
    let staging = dir.path().join("staging");
    let impatient = options().stale_after(Duration::ZERO);
    let id = options().begin(dir.path()).unwrap().detach().unwrap();
    // Not yet stale.
    drop(options().begin(dir.path()).unwrap());
    assert_eq!(names(&staging), [&id[..]]);
    let joined = options().join(dir.path(), &id).unwrap();
    let shard = joined.range_shard(&tables()).unwrap();
    drop(joined);
    // Somebody is at work on it.
    drop(impatient.begin(dir.path()).unwrap());
    assert_eq!(names(&staging), [&id[..]]);
    let info = shard.finish().unwrap();
    // Other names in the directory are not graven's.
    fs::create_dir(staging.join("mine")).unwrap();
    drop(impatient.begin(dir.path()).unwrap());
    assert_eq!(names(&staging), ["mine"]);
    let error = options().join(dir.path(), &id).unwrap_err();
    assert!(error.to_string().contains("there is no such job"), "{error}");
    for id in ["mine", "..", "", "0"] {
        assert!(options().join(dir.path(), id).is_err());
    }
    let id = options().begin(dir.path()).unwrap().detach().unwrap();
    let error = options().join(dir.path(), &id).unwrap().commit([info]).unwrap_err();
    assert!(matches!(error, PublishError::Source { .. }), "{error}");
    options().join(dir.path(), &id).unwrap().commit([]).unwrap();
    assert_eq!(open(dir.path()).len(), 0);
}

/// Set for the process that is killed: the directory of versions.
const KILLED: &str = "GRAVEN_TEST_JOB";

/// The process that begins a job and is killed between shards and manifest.
#[test]
fn killed_process() {
    let Some(path) = std::env::var_os(KILLED) else { return };
    let job = options().begin(&path).unwrap();
    range(&job, &numbered(3));
    let _half = job.range_shard(&tables()).unwrap();
    common::answer(job.id());
    loop {
        std::thread::park();
    }
}

#[test]
fn the_next_job_removes_what_a_killed_process_left() {
    let dir = tempfile::tempdir().unwrap();
    let staging = dir.path().join("staging");
    let job = options().begin(dir.path()).unwrap();
    job.commit([range(&job, &numbered(7))]).unwrap();
    let mut command = common::this_binary("sets::jobs::killed_process");
    let mut peer = common::Peer::start(command.env(KILLED, dir.path()));
    let id = peer.answer();
    // Alive, it is left alone.
    drop(options().begin(dir.path()).unwrap());
    assert_eq!(names(&staging), [&id[..]]);
    drop(peer);
    assert_eq!(names(&staging), [&id[..]]);
    assert_eq!(open(dir.path()).len(), 7);
    let job = options().begin(dir.path()).unwrap();
    assert_eq!(names(&staging), [job.id()]);
    job.commit([range(&job, &numbered(9))]).unwrap();
    assert_eq!(open(dir.path()).len(), 9);
    assert_eq!(names(dir.path().join("versions")).len(), 2);
}
