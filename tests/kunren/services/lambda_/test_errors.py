import inspect

from botocore.session import get_session

from kunren.core.errors import AwsError
from kunren.services.lambda_ import errors


def test_every_error_is_in_the_model_with_its_status():
    model = get_session().get_service_model("lambda")
    for name, error in inspect.getmembers(errors, inspect.isclass):
        if issubclass(error, AwsError) and not name.startswith("_") and error is not AwsError:
            shape = model.shape_for(name)
            assert error.code == name
            assert error.status == shape.metadata["error"]["httpStatusCode"]
            assert set(error("text").members) <= set(shape.members)
