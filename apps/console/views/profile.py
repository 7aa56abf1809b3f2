"""What a person sets for themselves, and the views they keep."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.console.access import page
from apps.console.forms import ProfileForm, SavedViewForm, timezone_names
from apps.console.requests import ConsoleRequest
from apps.users.models import RoleGrant, SavedView, User


@page("profile")
def profile(request: ConsoleRequest) -> HttpResponse:
    """Time zone and single keys."""
    current = {"time_zone": request.user.time_zone, "single_keys": request.user.single_keys}
    form = ProfileForm(request.POST if request.method == "POST" else None, initial=current)
    if request.method == "POST" and form.is_valid():
        User.objects.filter(pk=request.user.pk).update(**form.cleaned_data)
        messages.success(request, "Saved.")
        return redirect("profile")
    grants = RoleGrant.objects.filter(user=request.user).select_related("legal_entity")
    context = {
        "form": form,
        "zones": timezone_names(),
        "grants": grants,
        "saved_views": SavedView.objects.filter(user=request.user).order_by("page", "position"),
    }
    status = 422 if form.is_bound and not form.is_valid() else 200
    return render(request, "console/profile/page.html", context, status=status)


@page("profile")
def save_view(request: ConsoleRequest) -> HttpResponse:
    """Keep the present filters of a list under a name."""
    form = SavedViewForm(request.POST)
    if form.is_valid():
        SavedView.objects.update_or_create(
            user=request.user,
            page=form.cleaned_data["page"],
            name=form.cleaned_data["name"],
            defaults={"query": form.cleaned_data["query"]},
        )
        messages.success(request, f"View “{form.cleaned_data['name']}” is kept.")
    else:
        messages.error(request, "Give the view a name of at most 60 characters.")
    return redirect(f"{reverse('exceptions')}?{form.data.get('query', '')}")


@page("profile")
def forget_view(request: ConsoleRequest, view_id: str) -> HttpResponse:
    """Drop one of one's own views."""
    if request.method == "POST":
        SavedView.objects.filter(user=request.user, pk=view_id).delete()
    return redirect("profile")
