//! Questions: what a "no" of the platform means for each.

use crate::controllers::inventory::Scope;
use crate::plan::question::{Answer, Checked, Question};
use crate::platform::{ApiError, Class, Sandbox};

/// Asks one question.
pub(super) async fn ask(
    sandbox: &Sandbox,
    scope: &Scope,
    question: &Question,
) -> Result<Answer, ApiError> {
    Ok(match question {
        Question::DatasetsNamed(name) => {
            Answer::DatasetsNamed(sandbox.list_datasets_by_name(name).await?)
        }
        Question::Dataset(id) => match sandbox.get_dataset(id).await {
            Ok(dataset) => Answer::Dataset(Some(Box::new(dataset))),
            Err(error) if error.class == Class::NotFound => Answer::Dataset(None),
            Err(error) => return Err(error),
        },
        // Reading schemas is no right that a dataflow needs.
        Question::Schema(schema) => {
            match sandbox.get_schema(&schema.id, schema.major_version).await {
                Ok(schema) => Answer::Schema(Some(Box::new(schema))),
                Err(error) if matches!(error.class, Class::NotFound | Class::Permission) => {
                    Answer::Schema(None)
                }
                Err(error) => return Err(error),
            }
        }
        Question::Tenant => Answer::Tenant(scope.tenant(sandbox).await?),
        Question::Mapping(body) => Answer::Mapping(Checked {
            body: body.clone(),
            problems: sandbox.check_mapping(body).await?,
        }),
    })
}
