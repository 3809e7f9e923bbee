from django.urls import include, path, re_path

from simulator import control, graph, media, objects, phone

app_name = "simulator"

_graph = [
    path("oauth/access_token", objects.access_token, name="access_token"),
    path("<str:phone_number_id>/messages", graph.messages, name="messages"),
    path("<str:phone_number_id>/marketing_messages", graph.messages),
    path("<str:phone_number_id>/media", media.upload, name="upload"),
    path("<str:waba_id>/phone_numbers", objects.phone_numbers),
    path("<str:waba_id>/subscribed_apps", objects.subscribed_apps),
    path("<str:app_id>/subscriptions", objects.subscriptions),
    path("<str:object_id>", objects.node, name="node"),
    path("<str:object_id>/", objects.node),
]
_api = [
    path("numbers/", control.numbers_view, name="numbers"),
    path("numbers/<str:phone_number_id>/", control.number_view, name="number"),
    path("customers/", control.customers_view, name="customers"),
    path("customers/<str:who>/", control.customer_view, name="customer"),
    path("send/", control.send_view, name="send"),
    path("media/", control.media_view, name="media"),
    path("media/<str:media_id>/", control.media_file_view, name="media_file"),
    path("behaviour/", control.behaviour_view, name="behaviour"),
    path("faults/", control.faults_view, name="faults"),
    path("faults/<int:pk>/", control.fault_view, name="fault"),
    path("ledger/", control.ledger_view, name="ledger"),
    path("webhooks/", control.webhooks_view, name="webhooks"),
    path("clock/", control.clock_view, name="clock"),
    path("reset/", control.reset_view, name="reset"),
]
urlpatterns = [
    path("", phone.page, name="phone"),
    path("api/", include(_api)),
    path("graph/attachments/", media.download, name="download"),
    re_path(r"^graph/v\d{1,3}\.\d{1,2}/", include(_graph)),
]
