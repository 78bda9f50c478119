"""The FastAPI sidecar that answers partners: may this user spend?"""
