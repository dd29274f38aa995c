//! The course of a differential: random scripts are played by both sides and compared, and one that differs is shrunk.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use fastrand::Rng;
use tokio::runtime::{Builder, Runtime};

use super::go::Go;

/// Anything that keeps the differential from running, in words.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What to play.
#[derive(clap::Args, Debug)]
pub(crate) struct Course<P: ValueEnum + Send + Sync + 'static> {
    /// The test binary built from crates/linchpin/tests/differential.
    #[arg(long)]
    oracle: PathBuf,
    /// How many scripts to play.
    #[arg(long, default_value_t = 10_000)]
    scripts: u32,
    /// Repeats the scripts of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
    /// Makes our side wrong, to see that it is found out.
    #[arg(long)]
    planted: Option<P>,
}

/// Something that both sides can play.
pub(crate) trait Script: Sized {
    /// What our side can be made to get wrong.
    type Planted: ValueEnum + Copy + Send + Sync + 'static;
    /// What a world looks like after a step.
    type View: PartialEq;

    /// How many steps it has.
    fn steps(&self) -> usize;

    /// The script without one step, and without all that depends on what that step makes.
    fn without(&self, step: usize) -> Self;

    /// What Go's world looks like after each step.
    fn by_go(&self, go: &mut Go) -> Result<Vec<Self::View>, Failure>;

    /// What ours looks like.
    async fn by_us(&self, planted: Option<Self::Planted>) -> Vec<Self::View>;

    /// Prints the script, and what differs after a step of that number, counted from one.
    fn show(&self, step: usize, go: &Self::View, ours: &Self::View);
}

/// Plays scripts that `random` makes, until one differs.
pub(crate) fn drive<S: Script>(
    course: &Course<S::Planted>,
    random: impl FnMut(&mut Rng) -> S,
) -> ExitCode {
    match run(course, random) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("go-differential: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Whether both sides agree.
fn run<S: Script>(
    course: &Course<S::Planted>,
    mut random: impl FnMut(&mut Rng) -> S,
) -> Result<bool, Failure> {
    let seed = course.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let mut sides = Sides { runtime, go: Go::start(&course.oracle)?, planted: course.planted };

    let mut rng = Rng::with_seed(seed);
    for number in 1..=course.scripts {
        let script = random(&mut rng);
        if sides.compare(&script)?.is_some() {
            sides.show(script)?;
            println!("go-differential: a difference in script {number}, seed {seed}");
            return Ok(false);
        }
    }
    println!("go-differential: {} scripts, 0 differences, seed {seed}", course.scripts);
    Ok(true)
}

struct Sides<P> {
    runtime: Runtime,
    go: Go,
    planted: Option<P>,
}

/// The first step after which the two sides differ, and what they were like then.
struct Difference<V> {
    step: usize,
    go: V,
    ours: V,
}

impl<P: Copy> Sides<P> {
    fn compare<S: Script<Planted = P>>(
        &mut self,
        script: &S,
    ) -> Result<Option<Difference<S::View>>, Failure> {
        let theirs = script.by_go(&mut self.go)?;
        let ours = self.runtime.block_on(script.by_us(self.planted));
        if theirs.len() != ours.len() {
            return Err(format!("{} views of Go and {} of ours", theirs.len(), ours.len()).into());
        }
        let mut different =
            theirs.into_iter().zip(ours).enumerate().filter(|(_, (go, ours))| go != ours);
        Ok(different.next().map(|(step, (go, ours))| Difference { step, go, ours }))
    }

    /// A script from which no step can be taken without the difference going, too; the shortest way there, not the
    /// shortest script.
    fn shrunk<S: Script<Planted = P>>(&mut self, mut script: S) -> Result<S, Failure> {
        let mut at = script.steps();
        while at > 0 {
            at -= 1;
            let shorter = script.without(at);
            if self.compare(&shorter)?.is_some() {
                script = shorter;
                at = script.steps();
            }
        }
        Ok(script)
    }

    fn show<S: Script<Planted = P>>(&mut self, script: S) -> Result<(), Failure> {
        let script = self.shrunk(script)?;
        let Difference { step, go, ours } =
            self.compare(&script)?.ok_or("the difference comes and goes")?;
        script.show(step + 1, &go, &ours);
        Ok(())
    }
}
