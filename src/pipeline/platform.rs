//! One platform's way through the stages: base, image, wheels, bundle, packages, verification.
//!
//! Knows the order within a platform; what runs beside it is `build.rs`'s.

use crate::bundle::store::LayerStore;
use crate::error::Result;
use crate::plan::PlatformPlan;
use crate::report::Outcome;

use super::documents::Documents;
use super::inspect;
use super::stages::{Done, PlatformBuild, check_signer, file_of, up_to_date};
use super::verify::verified;

impl PlatformBuild<'_> {
    /// Base, image, wheels, bundle, packages, verification.
    pub(super) async fn platform(&self, plan: &PlatformPlan) -> Result<Done> {
        if !self.options.refresh_base
            && let Some((base, record)) = up_to_date(self.project, plan)
        {
            self.run.same_for_all().agree(plan, &record.packages)?;
            let mut done = Done::up_to_date(&record);
            if !self.options.verifies() {
                return Ok(done);
            }
            let Some(verified) = verified(self.project, plan, &base, &record) else {
                let (done, verified) = self.verify_built(plan, record, None).await?;
                self.images(plan, &base, &verified).await?;
                return Ok(done);
            };
            if !self.images(plan, &base, &verified).await? {
                done.outcome = Outcome::Built;
                done.reused = vec!["packages".to_owned()];
            }
            return Ok(done);
        }
        let (engine, session) = self.run.engine(plan.arch(), &self.report).await?;
        let context = self.context(plan, engine.as_ref(), session);
        // First, since a key that is missing is known in a moment and was needed after minutes.
        check_signer(plan).await?;
        let _in_use = self.hold_wheels().await?;
        let mut reused = Vec::new();

        let (made, base, builder) = self.made(&context, plan, &mut reused).await?;
        let needs = inspect::needs(&context, plan, &builder, &made.bundle).await?;
        let builder_base = made.base.identity.clone();
        let store = LayerStore::new(&context.caches.layers());
        let (documents, bundle) = Documents::of_bundle(plan, made, store).await?;
        let packages = self.packages(&needs, bundle).await?;
        self.run.same_for_all().agree(plan, &packages)?;
        let documents = documents.write(self.project, plan, &base, &packages)?;
        let files = packages.iter().map(file_of).collect();
        // Before the verification: what failed it need not be packed again to try it again.
        let key = plan.key(&base.identity, &builder_base);
        self.project
            .state
            .put_build(&plan.id, key, packages, documents)?;
        if self.options.verifies()
            && let Some(record) = self.project.state.build(&plan.id)
        {
            let verified = self.verify(&context, plan, &base, record, None).await?;
            self.images(plan, &base, &verified).await?;
        } else if !plan.images.is_empty() {
            let text = "the images are not made: they are made of verified packages";
            self.report.note(text);
        }
        Ok(Done {
            outcome: Outcome::Built,
            reused,
            files,
        })
    }
}
