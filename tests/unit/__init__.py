"""The unit tests; hypothesis judges none by the time that it takes."""

import hypothesis

hypothesis.settings.register_profile(
    'unhurried',
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile('unhurried')
