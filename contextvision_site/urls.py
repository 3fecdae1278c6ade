"""All addresses of the site."""

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from django.views.i18n import set_language

from contextvision_site import health, metrics
from gallery.throttling import LoginThrottle, throttled

api = [
    path("", include("search.api.urls")),
    path("", include("gallery.api.urls")),
]

# No more passwords are tried than can be checked.
limited = throttled("registration/lockout.html", by=LoginThrottle, methods=("POST",))

# Without those by which a forgotten password is reset by mail: no mail is sent from here.
accounts = [
    path("login/", limited(auth_views.LoginView.as_view()), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("password_change/", auth_views.PasswordChangeView.as_view(), name="password_change"),
    path(
        "password_change/done/",
        auth_views.PasswordChangeDoneView.as_view(),
        name="password_change_done",
    ),
]

urlpatterns = [
    path("", include("search.urls")),
    path("", include("gallery.urls")),
    path("api/v1/", include((api, "api"))),
    path("accounts/", include(accounts)),
    path("language/", login_not_required(set_language), name="set_language"),
    path("admin/login/", limited(admin.site.login)),  # before the admin's own
    path("admin/", admin.site.urls),
    path("metrics", metrics.metrics, name="metrics"),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
]

handler400 = "contextvision_site.errors.bad_request"
handler403 = "contextvision_site.errors.permission_denied"
handler404 = "contextvision_site.errors.not_found"
handler500 = "contextvision_site.errors.server_error"
