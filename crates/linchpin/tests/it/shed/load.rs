//! Where the load is read, and what is made of it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use linchpin::resilience::shed::{Load, Options, Process, Shedder, Source, Usage};
use linchpin::time::Instant;
use rustix::time::{ClockId, clock_gettime};

use super::{MS, SECOND};

/// What a source says next.
type Script = Arc<Mutex<io::Result<Usage>>>;

fn usage(used: Duration, throttled: Duration) -> Usage {
    Usage { used, throttled, processors: 2.0 }
}

fn scripted() -> (Script, Load) {
    let script: Script = Arc::new(Mutex::new(Ok(usage(Duration::ZERO, Duration::ZERO))));
    let told = script.clone();
    let source = move || match &*told.lock().unwrap() {
        Ok(usage) => Ok(*usage),
        Err(error) => Err(io::Error::from(error.kind())),
    };
    (script, Load::sampled(source).unwrap())
}

/// A quarter of a second in which so much was used.
async fn passes(script: &Script, used: Duration, throttled: Duration) {
    {
        let mut next = script.lock().unwrap();
        let before = next.as_ref().map_or(usage(Duration::ZERO, Duration::ZERO), |usage| *usage);
        *next = Ok(usage(before.used + used, before.throttled + throttled));
    }
    tokio::time::sleep(250 * MS).await;
    tokio::task::yield_now().await;
}

#[tokio::test(start_paused = true)]
async fn the_load_is_an_average_of_what_was_used_of_what_there_was() {
    let (script, load) = scripted();
    tokio::time::sleep(MS).await;
    assert!(load.share().abs() < 1e-6, "start-up is no load");
    // Half of two processors: a twentieth of the way at each reading.
    for _ in 0..13 {
        passes(&script, 250 * MS, Duration::ZERO).await;
    }
    let half = 0.5 * (1.0 - 0.95_f64.powi(13));
    assert!((load.share() - half).abs() < 0.001, "{} {half}", load.share());
    for _ in 0..200 {
        passes(&script, 500 * MS, Duration::ZERO).await;
    }
    assert!(load.share() > 0.99 && load.share() <= 1.0, "{}", load.share());
    assert!(!load.is_throttled());
    passes(&script, Duration::ZERO, MS).await;
    assert!(load.is_throttled());
    passes(&script, Duration::ZERO, Duration::ZERO).await;
    assert!(!load.is_throttled(), "it grows no more");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_cannot_be_read_sheds_nothing() {
    let (script, load) = scripted();
    for _ in 0..200 {
        passes(&script, 500 * MS, MS).await;
    }
    assert!(load.share() > 0.99 && load.is_throttled());
    *script.lock().unwrap() = Err(io::ErrorKind::NotFound.into());
    tokio::time::sleep(SECOND).await;
    assert!(load.share().abs() < 1e-6 && !load.is_throttled());
    passes(&script, 500 * MS, Duration::ZERO).await;
    passes(&script, 500 * MS, Duration::ZERO).await;
    assert!(load.share() > 0.04, "it is read again");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_is_a_load_that_cannot_be_read() {
    let mut readings = 0;
    let load = Load::sampled(move || {
        readings += 1;
        assert!(readings != 3, "a source that panics");
        Ok(usage(readings * SECOND, Duration::ZERO))
    })
    .unwrap();
    tokio::time::sleep(300 * MS).await;
    assert!(load.share() > 0.0);
    tokio::time::sleep(250 * MS).await;
    assert!(load.share().abs() < 1e-6);
    tokio::time::sleep(500 * MS).await;
    assert!(load.share() > 0.0, "and is read again");
}

#[tokio::test(start_paused = true)]
async fn the_task_that_reads_goes_with_the_last_handle() {
    let probe = Arc::new(());
    let held = probe.clone();
    let load = Load::sampled(move || {
        std::hint::black_box(&held);
        Ok(usage(Duration::ZERO, Duration::ZERO))
    })
    .unwrap();
    let shedder = Shedder::new("test", Options::default().load(load)).unwrap();
    let other = shedder.clone();
    tokio::time::sleep(SECOND).await;
    drop(shedder);
    tokio::time::sleep(SECOND).await;
    assert_eq!(Arc::strong_count(&probe), 2, "it reads on");
    drop(other);
    tokio::time::sleep(SECOND).await;
    assert_eq!(Arc::strong_count(&probe), 1);
    // One that reads for itself is gone with it, too: the runtime of a test ends with nothing left.
    drop(Shedder::new("test", Options::default()).unwrap());
}

#[test]
fn without_a_runtime_there_must_be_a_load() {
    let bad = Shedder::new("test", Options::default()).unwrap_err().to_string();
    assert!(bad.starts_with("bad options for Shedder: no runtime to read the load in"), "{bad}");
    assert!(Shedder::new("test", Options::default().load(Load::given())).is_ok());
}

fn write(folder: &Path, file: &str, text: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(file), text).unwrap();
}

#[test]
fn a_group_tells_what_was_used_of_its_quota() {
    let folder = std::env::temp_dir().join(format!("linchpin-shed-{}", std::process::id()));
    write(
        &folder,
        "cpu.stat",
        "usage_usec 1500000\nuser_usec 1\nnr_periods 7\nthrottled_usec 250\n",
    );
    write(&folder, "cpu.max", "50000 100000\n");
    let found = Process::group(&folder).read().unwrap();
    let half = Usage { used: 1_500 * MS, throttled: Duration::from_micros(250), processors: 0.5 };
    assert_eq!(found, half);

    // No quota: all processors. A group at the top has no word on being held back.
    write(&folder, "cpu.max", "max 100000\n");
    write(&folder, "cpu.stat", "usage_usec 7\nuser_usec 5\n");
    let found = Process::group(&folder).read().unwrap();
    let all = std::thread::available_parallelism().unwrap().get() as f64;
    assert_eq!(
        found,
        Usage { used: Duration::from_micros(7), throttled: Duration::ZERO, processors: all }
    );

    write(&folder, "cpu.stat", "nothing of the kind\n");
    assert_eq!(Process::group(&folder).read().unwrap_err().kind(), io::ErrorKind::InvalidData);
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(Process::group(&folder).read().unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn the_default_source_sees_this_process_work() {
    let mut process = Process::new();
    let before = process.read().unwrap();
    let mut sum = 0_u64;
    while process.read().unwrap().used < before.used + 20 * MS {
        for number in 0..100_000_u64 {
            sum = std::hint::black_box(sum.wrapping_add(number));
        }
    }
    assert!(before.processors > 0.0);
}

#[test]
fn a_process_alone_counts_what_its_threads_wait_for_a_processor() {
    // What was used and waited for, less what was used.
    let waited = |process: &mut Process| {
        let all = process.read().unwrap().used;
        let ran = clock_gettime(ClockId::ProcessCPUTime);
        all.saturating_sub(Duration::new(ran.tv_sec as u64, ran.tv_nsec as u32))
    };
    let mut process = Process::alone();
    let before = waited(&mut process);
    let stop = AtomicBool::new(false);
    let limit = Instant::now() + Duration::from_secs(30);
    std::thread::scope(|scope| {
        // One more than there are processors, so that somebody always waits.
        for _ in 0..=std::thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        while waited(&mut process) < before + 50 * MS && Instant::now() < limit {}
        stop.store(true, Ordering::Relaxed);
    });
    assert!(waited(&mut process) >= before + 50 * MS);
    // What the threads have waited stays when they are gone.
    assert!(waited(&mut process) >= before + 50 * MS);
}
