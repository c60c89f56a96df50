{% load static %}self.offline = { version: "{{ version }}", page: "{% url "offline" %}", files: [{% for file in files %}"{{ file }}", {% endfor %}] };
importScripts("{% static "js/service-worker.js" %}");
