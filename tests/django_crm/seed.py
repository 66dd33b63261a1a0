"""An organisation with a member who may write leads; prints the member's personal access token."""

import django

django.setup()

from common.models import Org, PersonalAccessToken, Profile, User  # noqa: E402

org, _ = Org.objects.get_or_create(name="Leadgate")
user = User.objects.filter(email="receiver@example.com").first()
if user is None:
    user = User.objects.create_user(email="receiver@example.com", password="not-used")
profile, _ = Profile.objects.get_or_create(user=user, org=org, defaults={"role": "ADMIN", "is_active": True})
token, _ = PersonalAccessToken.generate(profile=profile, name="leadgate")
print(token)
