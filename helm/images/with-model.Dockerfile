# Puts a checkpoint into one of Fourtower's images, for clusters where models are to travel with the code. The context
# is a folder that holds the checkpoint's folder:
#   docker build -f helm/images/with-model.Dockerfile --build-arg IMAGE=fourtower/search@sha256:... \
#     --build-arg MODEL=second --tag fourtower/search-second runs
ARG IMAGE
FROM ${IMAGE}
ARG MODEL
COPY --chown=0:0 ${MODEL} /opt/models/${MODEL}
